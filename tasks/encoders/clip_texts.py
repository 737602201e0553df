"""The text tower of an open_clip model, on texts cut at the longest of their batch.

A causal tower reads the end token, and nothing after it matters: padding to the whole context
costs ten times as much for nouns. Where that does not hold (SigLIP reads the last position), texts
keep the full length; which it is, is tried when the model is opened.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from sortal.storage.rows import FloatArray
from sortal.tasks.devices.running import Running
from sortal.tasks.encoders.base import unit
from sortal.tasks.encoders.text_batches import Advance, batches_by_length, silent

_TRIED = ("a", "a photo of a dog.", "two dogs that run over the wet grass beside a river")
_CPU_TOKENS = 4096  # in one batch: what the processor's caches hold
# The largest difference of unit vectors that rounding explains.
_SAME = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 4e-2}


class TextTower:
    """`model` and `tokenizer` are open_clip's; a batch holds at most `batch_size` full texts."""

    def __init__(self, model: Any, tokenizer: Any, running: Running, batch_size: int) -> None:
        self._model, self._tokenizer, self._running = model, tokenizer, running
        empty = tokenizer([""])[0]
        self._context, self._padding = len(empty), int(empty[-1])
        most = batch_size * self._context
        self._most = min(most, _CPU_TOKENS) if running.device == "cpu" else most
        self.cuts = self._may_cut()

    def encode(self, texts: Sequence[str], advance: Advance = silent) -> FloatArray:
        """Raw vectors of shape (len(texts), dim); the tokenizer cuts what exceeds the context."""
        tokens = self._tokenizer(list(texts))
        lengths = self._lengths(tokens) if self.cuts else [self._context] * len(tokens)
        parts: list[tuple[list[int], torch.Tensor]] = []
        for rows in batches_by_length(lengths, self._most):
            longest = lengths[rows[-1]]
            parts.append((rows, self._forward(tokens[rows, :longest])))
            advance(len(rows))
        vectors = np.empty((len(tokens), parts[0][1].shape[1]), dtype=np.float32)
        for rows, part in parts:
            vectors[rows] = part.numpy()
        return vectors

    @torch.inference_mode()
    def _forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Vectors of token rows of any one length up to the context, float32, on the CPU."""
        there = tokens.to(self._running.device)
        with self._running.autocast(), _context_of(self._model, tokens.shape[1]):
            vectors: torch.Tensor = self._model.encode_text(there).float().cpu()
        return vectors

    def _lengths(self, tokens: torch.Tensor) -> list[int]:
        """Tokens of each row without the padding at its end, at least 1."""
        used = (tokens != self._padding).numpy()
        lengths = self._context - np.argmax(used[:, ::-1], axis=1)
        return np.where(used.any(axis=1), lengths, 1).tolist()

    def _may_cut(self) -> bool:
        """Whether texts without their padding have the vectors that they have with it."""
        tokens = self._tokenizer(list(_TRIED))
        lengths = self._lengths(tokens)
        whole = unit(self._forward(tokens).numpy())
        try:
            cut = [self._forward(row[None, :n]) for row, n in zip(tokens, lengths, strict=True)]
        except (RuntimeError, IndexError, ValueError):  # a tower that takes one length only
            return False
        apart = float(np.abs(unit(torch.cat(cut).numpy()) - whole).max())
        return apart <= _SAME[self._running.precision]


@contextmanager
def _context_of(model: Any, length: int) -> Iterator[None]:
    """A causal tower takes texts of `length` tokens while this is open.

    One with a class token sizes its mask by itself.
    """
    tower = getattr(model, "text", model)
    positions = getattr(tower, "positional_embedding", None)
    mask = getattr(tower, "attn_mask", None)
    has_class = getattr(tower, "cls_emb", None) is not None
    if positions is None or mask is None or has_class or length >= len(positions):
        yield
        return
    tower.positional_embedding = torch.nn.Parameter(positions[:length], requires_grad=False)
    tower.attn_mask = mask[:length, :length]
    try:
        yield
    finally:
        tower.positional_embedding, tower.attn_mask = positions, mask

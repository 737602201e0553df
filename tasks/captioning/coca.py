"""The captioner `coca`: open_clip's CoCa (Yu et al., 2022) writes captions by beam search.

The search is ours: open_clip's own needs classes that transformers 5 no longer has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import torch
from open_clip import CoCa
from open_clip.tokenizer import SimpleTokenizer as CLIPWords
from torch import Tensor

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.configs.modalities import CocaConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import Caption, Code, captioned
from sortal.tasks.captioning.captioner import Captioner, CaptionImagesInputs
from sortal.tasks.embedding.batches import Batches, read_ahead, read_batches
from sortal.tasks.encoders.clip import OpenClipEncoder
from sortal.tasks.encoders.registry import describe
from sortal.tasks.executor.base import Decoders, How, hearing, report
from sortal.tasks.executor.current import executor
from sortal.tasks.progress import Advance
from sortal.tasks.sources.registry import from_anywhere, open_source

_PIECES = 6  # of each worker, at least: the last ones end at about the same time

START, END, PAD = 49406, 49407, 0  # of CLIP's tokenizer, with which CoCa is trained


class CocaCaptioner(Captioner[CocaConfig]):
    """Captions by a CoCa's checkpoint."""

    @property
    def name(self) -> str:
        """With the name of the checkpoint."""
        return f"coca:{self.settings.checkpoint.rsplit('/', 1)[-1]}"

    def state(self) -> str:
        """The weights of the checkpoint."""
        return describe(self.settings.spec).fingerprint

    def store_parts(self, inputs: CaptionImagesInputs) -> list[Any]:
        """The weights."""
        return [self.state()]

    def open(self, workspace: Workspace, inputs: CaptionImagesInputs, kept: Path) -> "CocaWriter":
        """With the model checked."""
        reading, source = inputs.reading or ImagesConfig(), from_anywhere(inputs.source)
        decoders = executor().decoders(reading.num_workers)
        writer = CocaWriter(self.settings, workspace, source, reading, decoders)
        writer.model()
        return writer


@dataclass(frozen=True)
class CocaWriter:
    """Writes captions of images of `source`; the work of an executor, whose workers load it."""

    config: CocaConfig
    workspace: Workspace
    source: str
    reading: ImagesConfig
    decoders: Decoders

    def model(self) -> "Coca":
        """The model, loaded once a process."""
        return _opened(self.config)

    def shards(self, todo: pa.Table, advance: Advance) -> Iterator[list[Caption]]:
        """Captions of the images of `todo`, at most `shard_size` at a time."""
        size, workers = self.config.shard_size, executor().n_workers
        if workers > 1:  # whole batches, some for each worker
            batches = -(-todo.num_rows // (workers * _PIECES * self.config.batch_size))
            size = min(size, batches * self.config.batch_size)
        rows = range(todo.num_rows)
        edges = range(0, len(rows), size)  # copied: a slice pickles as a whole
        pieces = [todo.take(pa.array(rows[start : start + size])) for start in edges]
        with hearing(advance, lambda _: None) as finish:
            found = executor().map(self, pieces, How(gpus=True))
            for piece, captions in zip(pieces, found, strict=True):
                yield captions
                finish(piece.num_rows)
        _opened.cache_clear()

    def __call__(self, piece: pa.Table) -> list[Caption]:
        """Captions of a piece."""
        return next(self.over([piece]))

    def over(self, pieces: Sequence[pa.Table]) -> Iterator[list[Caption]]:
        """Captions of pieces one after another, their images read ahead across them."""
        model, todo, size = self.model(), pa.concat_tables(pieces), self.config.batch_size
        ends = np.cumsum([piece.num_rows for piece in pieces])
        bounds = [
            (start, min(start + size, end))
            for first, end in zip([0, *ends[:-1]], ends, strict=True)
            for start in range(first, end, size)
        ]
        source = open_source(self.source, self.workspace.root, self.reading)
        batches = Batches(source, todo, bounds, self.reading, model.transform)
        threads = self.decoders.threads
        read = (
            read_ahead(batches, threads)
            if threads
            else read_batches(batches, todo.num_rows, self.decoders.processes)
        )
        for piece in pieces:
            held: list[Caption] = []
            for batch in islice(read, -(-piece.num_rows // size)):
                if batch.pixels is not None:
                    held += map(captioned, batch.keys, model.write(torch.from_numpy(batch.pixels)))
                for key, _, error, lasting in batch.failures:
                    held.append(Caption(key, None, Code.UNREADABLE.value, error, lasting))
                report(len(batch.keys) + len(batch.failures))
            yield held


@lru_cache(maxsize=1)
def _opened(config: CocaConfig) -> "Coca":
    return Coca(config)


class Coca:
    """A CoCa on a device, and how its captions are searched for."""

    def __init__(self, config: CocaConfig) -> None:
        encoder = OpenClipEncoder(EncoderConfig(spec=config.spec, device=config.device))
        if not isinstance(encoder.model, CoCa) or not isinstance(encoder.tokenizer, CLIPWords):
            raise UsageError(
                "captioner.coca.checkpoint must be a CoCa with CLIP's tokenizer, such as "
                f"coca_ViT-B-32/PRETRAINED, got {config.checkpoint}"
            )
        self._encoder, self._config = encoder, config
        self.transform = encoder.transform

    @torch.inference_mode()
    def write(self, pixels: Tensor) -> list[str]:
        """Captions of images (b, 3, h, w)."""
        model, running = self._encoder.model, self._encoder.running
        with running.autocast():
            decoder = Decoder(model, model(running.pixels(pixels)))
            found = search(decoder, len(pixels), self._config)
        return [_text(row) for row in found.tolist()]


def _text(tokens: list[int]) -> str:
    stop = tokens.index(END) if END in tokens else len(tokens)
    words: str = open_clip.decode(torch.tensor([t for t in tokens[1:stop] if t != PAD]))
    return words


class Decoder:
    """CoCa's text side over images that are encoded already, one row an image."""

    def __init__(self, model: Any, images: dict[str, Tensor]) -> None:
        self._model = model
        self._latent, self._tokens = images["image_features"], images["image_embs"]
        self.device = self._latent.device
        self.context = int(model.context_length)

    def spread(self, times: int) -> None:
        """Let each image have `times` rows of text."""
        self._latent = self._latent.repeat_interleave(times, dim=0)
        self._tokens = self._tokens.repeat_interleave(times, dim=0)

    def next_token(self, texts: Tensor) -> Tensor:
        """Log-probabilities (rows, vocabulary) of what follows token ids (rows, length)."""
        out = self._model(
            None, texts, image_latent=self._latent, image_embs=self._tokens, output_labels=False
        )
        return out["logits"][:, -1].float().log_softmax(dim=-1)


def search(decoder: Decoder, n_images: int, config: CocaConfig) -> Tensor:
    """Token ids (n_images, length) of the best of `config.beams` texts by mean log-probability.

    A text that has ended keeps its score; the end may not come before `min_tokens`.
    """
    beams, device = config.beams, decoder.device
    decoder.spread(beams)
    texts = torch.full((n_images * beams, 1), START, device=device)
    scores = torch.full((n_images, beams), -torch.inf, device=device)
    scores[:, 0] = 0.0  # the beams begin alike: only one of them may branch
    ended = torch.zeros(n_images * beams, dtype=torch.bool, device=device)
    for length in range(1, min(config.max_tokens, decoder.context) + 1):
        follow = decoder.next_token(texts)
        follow[:, START] = follow[:, PAD] = -torch.inf
        if length <= config.min_tokens:
            follow[:, END] = -torch.inf
        follow[ended] = -torch.inf
        follow[ended, PAD] = 0.0
        both = (scores.reshape(-1, 1) + follow).reshape(n_images, -1)
        scores, places = both.topk(beams, dim=1)
        rows = places // follow.shape[1] + beams * torch.arange(n_images, device=device)[:, None]
        token = (places % follow.shape[1]).reshape(-1, 1)
        texts = torch.cat([texts[rows.reshape(-1)], token], dim=1)
        ended = ended[rows.reshape(-1)] | (token[:, 0] == END)
        if ended.all():
            break
    lengths = (texts != PAD).sum(dim=1).reshape(n_images, beams) - 1
    best = (scores / lengths).argmax(dim=1) + beams * torch.arange(n_images, device=device)
    return texts[best]

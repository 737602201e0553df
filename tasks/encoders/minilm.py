"""MiniLM sentence embeddings from the files of an installed package, without the hub.

all-MiniLM-L6-v2 (Wang et al., 2020; Reimers and Gurevych, 2019): mean of the last layer's tokens.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.storage.rows import FloatArray
from sortal.tasks.encoders.base import device_of
from sortal.tasks.encoders.embedded import (
    DIM,
    MAX_TOKENS,
    describe_minilm,
    tokenizer_file,
    weights_file,
)
from sortal.tasks.encoders.text_batches import Advance, batches_by_length, silent

_TOKENS = 4096  # in one batch: short texts go in large batches, long ones in small
_CONFIG: dict[str, Any] = {  # stated here, so that no file but weights and vocabulary is trusted
    "vocab_size": 30522,
    "hidden_size": DIM,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
}


class MiniLMEncoder:
    """The sentence encoder as an encoder of texts alone."""

    def __init__(self, config: EncoderConfig) -> None:
        self.fingerprint = describe_minilm().fingerprint
        self.dim = DIM
        self.cpu_batch = 1
        self.device = device_of(config.device)
        self._model = MiniLM(self.device)

    def transform(self, image: Any) -> Any:
        """Refused: see `encode_images`."""
        return self.encode_images(image)

    def encode_images(self, batch: Any) -> FloatArray:
        """Refused: the model reads texts alone."""
        raise UsageError("encoder minilm embeds texts alone, got images; use it for a modality")

    def encode_texts(self, texts: list[str], advance: Advance = silent) -> FloatArray:
        """Mean-pooled vectors of shape (b, dim), not normalised."""
        return self._model.embed(texts, advance)


class MiniLM:
    """The loaded model on a device."""

    def __init__(self, device: str) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        self._device = device
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file()))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        model = BertModel(BertConfig(**_CONFIG), add_pooling_layer=False)
        state = load_file(weights_file())
        wanted = model.state_dict()
        model.load_state_dict({name: state[name] for name in wanted})
        self._model = model.eval().to(device)

    def embed(self, texts: Sequence[str], advance: Advance = silent) -> FloatArray:
        """Mean-pooled vectors of shape (len(texts), 384), float32, not normalised.

        Texts are sorted by length and padded to the longest of their batch, which is several
        times faster than padding all to one length.
        """
        ids = [coded.ids for coded in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(ids), DIM), dtype=np.float32)
        for rows in batches_by_length([len(tokens) for tokens in ids], _TOKENS):
            vectors[rows] = self._forward([ids[row] for row in rows])
            advance(len(rows))
        return vectors

    @torch.inference_mode()
    def _forward(self, ids: list[list[int]]) -> FloatArray:
        longest = max(map(len, ids))
        padded = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens in ids])
        lengths = torch.tensor([len(tokens) for tokens in ids])
        even = int(lengths.min()) == longest
        mask = None if even else (torch.arange(longest)[None] < lengths[:, None]).to(self._device)
        with torch.autocast("cuda", enabled=self._device == "cuda"):
            hidden = self._model(padded.to(self._device), attention_mask=mask).last_hidden_state
        hidden = hidden.float() if mask is None else hidden.float() * mask[..., None]
        return (hidden.sum(dim=1).cpu() / lengths[:, None]).numpy()

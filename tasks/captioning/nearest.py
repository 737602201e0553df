"""The captioner `nearest`: the closest captions of the captions corpus, by the run's encoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.modalities import NearestConfig
from sortal.configs.schema import CaptionsConfig
from sortal.storage.atomic import atomic_file
from sortal.storage.rows import FloatArray, Rows, read_all
from sortal.storage.vector_sets import VectorSet, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import Centred, centre
from sortal.tasks.captioning.caption import Caption, captioned
from sortal.tasks.captioning.captioner import Captioner, CaptionImagesInputs
from sortal.tasks.clustering.neighbours import nearest_rows
from sortal.tasks.corpora.corpus import read_corpus
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import executor
from sortal.tasks.progress import Advance

_BLOCK = 16384


class Span(NamedTuple):
    """Images by the first of their block of vectors, and their rows in it."""

    start: int
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Nearest:
    """Gives each image its `count` closest texts; `mean` (dim,) is taken from the images."""

    images: VectorSet
    texts: Rows
    captions: pa.ChunkedArray
    mean: FloatArray | None
    count: int

    def shards(self, todo: pa.Table, advance: Advance) -> Iterator[list[Caption]]:
        """Captions of the images of `todo`, by blocks of the image vectors."""
        keys = pa.array(self.images.keys, pa.string())
        chosen = pc.is_in(keys, value_set=todo["key"]).to_numpy(zero_copy_only=False)
        spans = [
            Span(start, np.flatnonzero(chosen[start : start + _BLOCK]))
            for start in range(0, len(chosen), _BLOCK)
        ]
        spans = [span for span in spans if len(span.rows)]
        spread = executor().parts(self.images) is not None
        for span, captions in zip(
            spans, executor().map(self, spans, How(spread=spread)), strict=True
        ):
            yield captions
            advance(len(span.rows))

    def __call__(self, span: "Span") -> list[Caption]:
        """Captions of some images; the work of an executor."""
        stop = min(span.start + _BLOCK, self.images.shape[0])
        there = self.images.between(span.start, stop)
        keys = [there.keys[row] for row in span.rows]
        return self._caption(keys, centre(read_all(there)[span.rows], self.mean))

    def _caption(self, keys: list[str], block: FloatArray) -> list[Caption]:
        near = nearest_rows(self.texts, block, min(self.count, self.texts.shape[0]))
        texts = self.captions.take(pa.array(near.reshape(-1))).to_pylist()
        each = near.shape[1]
        joined = [_joined(texts[row * each : (row + 1) * each]) for row in range(len(keys))]
        return [captioned(key, text) for key, text in zip(keys, joined, strict=True)]


def _joined(captions: list[Any]) -> str:
    return " ".join(
        text if text.endswith((".", "!", "?")) or len(captions) == 1 else f"{text}."
        for text in captions
    )


class NearestCaptioner(Captioner[NearestConfig]):
    """The closest texts of the captions corpus."""

    name = "nearest"
    unread = ("scan", "reading")

    def check(self, captions: CaptionsConfig) -> None:
        """Refuse a run without a captions corpus."""
        if captions.source == "none":
            raise UsageError(
                "captions.source must not be none, since captioner.kind nearest takes its captions "
                "there; use 'starter' or a file, or another captioner"
            )

    def store_parts(self, inputs: CaptionImagesInputs) -> list[Any]:
        """The collection, the encoder and the corpus: a new image changes no other's caption."""
        corpus = inputs.corpus
        return [inputs.source, inputs.images.facts["store"], corpus.identity] if corpus else []

    def open(self, workspace: Workspace, inputs: CaptionImagesInputs, kept: Path) -> Nearest:
        """Over the corpus and its vectors.

        Where `centred`, the mean that images lose is kept in `kept` from the first time on, so
        that an image's caption stays what it is while the collection grows.
        """
        assert inputs.corpus and inputs.text_vectors
        texts = open_vectors(workspace, inputs.text_vectors)
        table = read_corpus(workspace, inputs.corpus, ["key", "text"])
        places = pc.index_in(pa.array(texts.keys, pa.string()), value_set=table["key"])
        rows: Rows = texts
        mean = None
        if self.settings.centred:
            rows = Centred(texts, np.load(inputs.text_vectors.file(workspace, "mean.npy")))
            mean = _first_mean(kept / "mean.npy", inputs.images.file(workspace, "mean.npy"))
        images, captions = open_vectors(workspace, inputs.images), table["text"].take(places)
        return Nearest(images, rows, captions, mean, self.settings.count)


def _first_mean(kept: Path, now: Path) -> FloatArray:
    if not kept.exists():
        with atomic_file(kept) as temporary:
            temporary.write_bytes(now.read_bytes())
    mean: FloatArray = np.load(kept)
    return mean

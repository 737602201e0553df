"""Search: the images of a run nearest to words, to a picture, or to one of its own images."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.looks import Look, LooksConfig
from sortal.flows.operations.assign import StoredRun, encoder_fits, load_run
from sortal.flows.operations.looks import Maker, source_of
from sortal.storage.artifacts import Artifact, find
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.rows import FloatArray
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.encoders.base import Encoder
from sortal.tasks.errors import ImageError
from sortal.tasks.looks.read import look_at
from sortal.tasks.looks.thumbnails import Thumbnails
from sortal.tasks.pictures.decode import decode, middle
from sortal.tasks.search.index import INDEX, KEYS, MEAN, nearest, open_index, vector_of
from sortal.tasks.silence import doing
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.registry import open_source

MOST = 10_000  # images that a search gives


class Hit(NamedTuple):
    """An image that was found: its key, and its cosine to what was sought."""

    key: str
    score: float


@dataclass
class Shelf:
    """A run, open for looking: its thumbnails and its search; everything else is in the lake.

    What is missing is made when it is first asked for.
    """

    workspace: Workspace
    stored: StoredRun
    config: LooksConfig = field(default_factory=LooksConfig)
    lakes: Callable[[], AbstractContextManager[Lake]] | None = None  # to read from; None: a new one

    @classmethod
    def open(
        cls,
        workspace: Workspace,
        run: str | None = None,
        collection: str | None = None,
        config: LooksConfig | None = None,
    ) -> "Shelf":
        """A run's (default: the newest's); raises UsageError where there is none."""
        return cls(workspace, load_run(workspace, run, collection), config or LooksConfig())

    @cached_property
    def maker(self) -> Maker:
        """Makes what is asked for."""
        return Maker(self.workspace, self.stored, self.config)

    def ensure(self, *looks: Look) -> dict[Look, Artifact]:
        """The artifacts of these: found, or made now."""
        return self.maker.make(looks)

    @cached_property
    def source(self) -> Source:
        """Where the run's images are; raises UsageError where they are gone."""
        where = source_of(self.workspace, self.stored)
        return open_source(where, self.workspace.root, self.stored.config.images)

    # Pictures

    def thumbnails(self, keys: Sequence[str]) -> dict[str, bytes]:
        """WebP pictures by key; those that are not kept yet are made now, and kept.

        Images that are gone or cannot be read have none.
        """
        kept = Thumbnails(self.workspace, self.config.thumbnails)
        found = kept.get(keys)
        made: dict[str, bytes] = {}
        for row in self.places([key for key in keys if key not in found]):
            seen = look_at(self.source, self.stored.config.images, self.config.thumbnails, row)
            if seen.thumbnail:
                made[seen.key] = seen.thumbnail
        if made:
            with suppress(sqlite3.Error, OSError):  # a full or locked disk: shown, not kept
                kept.add(list(made.items()))
        return found | made

    def kept_thumbnail(self, key: str) -> bytes | None:
        """The thumbnail of an image of any run, if it is kept."""
        return Thumbnails(self.workspace, self.config.thumbnails).get([key]).get(key)

    def places(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """key, path, offset, bytes of images of the run, the first path of each."""
        if not keys:
            return []
        with self._reading() as lake:
            values = {"run": self.stored.run_id, "keys": list(keys)}
            return lake.query(sql("report/pictures"), values).to_pylist()

    def _reading(self) -> AbstractContextManager[Lake]:
        return self.lakes() if self.lakes else Lake(self.workspace, read_only=True)

    # Search

    def search(
        self,
        words: str | None = None,
        image: Path | bytes | None = None,
        key: str | None = None,
        count: int = 50,
        among: Iterable[str] | None = None,
    ) -> list[Hit]:
        """The `count` nearest images to words, a picture's bytes, or an image of the run.

        Several of them are added up. `among` are the keys that may be found; default: all.
        Raises UsageError for an encoder that has no text side, a picture that cannot be read.
        """
        query = self.query(words, image, key)
        rows = None if among is None else self.rows_of(pa.array(list(among), pa.string()))
        return self.nearest(query, count, rows, key)

    def nearest(
        self,
        query: FloatArray,
        count: int,
        among: NDArray[np.bool_] | None = None,
        but: str | None = None,
    ) -> list[Hit]:
        """The `count` nearest images to a query (dim,), without the image `but`.

        `among` are the rows of the index that may be found, as `rows_of` gives them.
        """
        count = min(count, MOST)
        score, rows = nearest(self._index, query, count + (but is not None), among)
        keys = self._keys.take(pa.array(rows)).to_pylist()
        hits = [Hit(key, float(value)) for key, value in zip(keys, score, strict=True)]
        return [hit for hit in hits if hit.key != but][:count]

    def rows_of(self, keys: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
        """Which rows of the index are those of `keys`, of shape (n_images,)."""
        found: NDArray[np.bool_] = pc.is_in(self._keys, value_set=keys).to_numpy(
            zero_copy_only=False
        )
        return found

    def open_search(self) -> None:
        """Make the index where there is none, and open it, so that a search does not wait."""
        _ = self._index, self._keys

    def open_encoder(self) -> None:
        """Open what words and pictures are embedded with, so that a search does not wait."""
        self.needs_a_model("words and pictures")
        with suppress(UsageError):  # one without a text side still embeds pictures
            self._encoder.encode_texts(["a photo"])

    @property
    def n_indexed(self) -> int:
        """How many images the index holds."""
        return len(self._keys)

    @cached_property
    def _artifact(self) -> Artifact:
        return self.ensure("search_index")["search_index"]

    @cached_property
    def _index(self) -> faiss.Index:
        doing("opening the run's vectors")
        return open_index(self._artifact.file(self.workspace, INDEX), self.config.search)

    @cached_property
    def _keys(self) -> pa.Array:
        return pq.read_table(self._artifact.file(self.workspace, KEYS))["key"].combine_chunks()

    @cached_property
    def _mean(self) -> FloatArray:
        mean: FloatArray = np.load(self._artifact.file(self.workspace, MEAN))
        return mean

    @cached_property
    def _encoder(self) -> Encoder:
        encoder_fits(self.stored, bool(self.stored.config.encoder.vectors), "a search")
        fingerprint = self.stored.row["encoder_fingerprint"]
        return PinnedEncoder(self.stored.config.encoder, fingerprint).open()

    def query(
        self,
        words: str | None = None,
        image: Path | bytes | None = None,
        key: str | None = None,
    ) -> FloatArray:
        """What is sought, of shape (dim,): the sum of the unit vectors of all that is given."""
        parts: list[FloatArray] = []
        if words is not None:
            parts.append(self._of_words(words))
        if image is not None:
            parts.append(self._of_image(image))
        if key is not None:
            parts.append(self._of_key(key))
        if not parts:
            raise UsageError("a search needs words, --image FILE, or both")
        total: FloatArray = normalise(np.stack(parts)).sum(axis=0)
        return total

    def _of_words(self, words: str) -> FloatArray:
        if not words.strip():
            raise UsageError("the words to find must not be empty")
        self.needs_a_model("words")
        text = normalise(self._encoder.encode_texts([words]))[0]
        mean = self._text_mean()
        return text if mean is None else text - mean

    def _text_mean(self) -> FloatArray | None:
        """The mean of the run's nouns, which words lack as images lack theirs; None without."""
        for role in ("noun.text_vectors", "caption.text_vectors"):
            place = self.stored.places.get(role)
            part = place and find(self.workspace, place["kind"], place["fingerprint"], [MEAN])
            if part:
                mean: FloatArray = np.load(part.file(self.workspace, MEAN))
                return mean
        return None

    def _of_image(self, image: Path | bytes) -> FloatArray:
        self.needs_a_model("a picture")
        try:
            data = image if isinstance(image, bytes) else image.read_bytes()
            picture = decode(data, self.stored.config.images)
        except OSError as error:
            reason = error.strerror or error
            name = "it" if isinstance(image, bytes) else f"{image}"
            raise UsageError(
                f"--image must be a file that can be read, got {name}: {reason}"
            ) from error
        except ImageError as error:
            name = "it" if isinstance(image, bytes) else f"{image}"
            raise UsageError(f"--image must be a picture, got {name}: {error.message}") from error
        import torch

        pixels = torch.stack([self._encoder.transform(middle(picture))])
        found: FloatArray = normalise(self._encoder.encode_images(pixels))[0] - self._mean
        return found

    def _of_key(self, key: str) -> FloatArray:
        row = pc.index(self._keys, key).as_py()
        if row < 0:
            raise UsageError(f"no image {key!r} in run {self.stored.run_id}")
        return vector_of(self._index, row)

    def needs_a_model(self, what: str) -> None:
        """Raise UsageError where the encoder of `what` is sought is not here."""
        spec = self.stored.config.encoder.spec
        if self.stored.config.encoder.vectors:
            raise UsageError(
                f"{what} can be sought only where the encoder is here, and run "
                f"{self.stored.run_id} has ready-made vectors ({spec}); make a run with "
                "--encoder conse or open_clip:MODEL/PRETRAINED"
            )

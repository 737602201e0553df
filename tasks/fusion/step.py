"""Fusion: image, noun and caption vectors of one image become one vector.

Images are streamed once; all counterparts are made in the same pass, and only shards are kept.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import RunError
from configs.schema import FusionConfig, TransportConfig
from storage.artifacts import Artifact, Written
from storage.rows import FloatArray
from storage.vectors import ROW_GROUP, vector_table
from storage.workspace import Workspace
from tasks.centring import centre, normalise
from tasks.embedding import open_vectors
from tasks.potential import Potential, Weighting
from tasks.step import step
from tasks.transport import POTENTIAL, space_texts

log = logging.getLogger("sortal")

MODALITIES = ("image", "noun", "caption")
_LOST = 0.05  # mean weight under which the image no longer matters


def adaptive_weights(modalities: FloatArray, gamma: float) -> FloatArray:
    """Weights of shape (b, m) for unit vectors of shape (m, b, d).

    w_i^m = softmax_m(cos(x_i^m, p_i) / gamma) with the prototype p_i = mean_m x_i^m
    (CAE, METHODS.md 3.1 C).
    """
    prototype = normalise(modalities.mean(axis=0))
    logits = np.einsum("mbd,bd->bm", modalities, prototype) / gamma
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fuse_block(
    image: FloatArray,
    counterparts: Sequence[FloatArray],
    mode: Literal["sum", "concat"] = "sum",
    weights: Literal["adaptive", "equal"] = "adaptive",
    gamma: float = 0.1,
) -> tuple[FloatArray, FloatArray]:
    """Fused unit vectors (b, d') and weights (b, m) of `image` (b, d) and m - 1 counterparts.

    "sum": normalise(sum_m w^m x^m), d' = d (CAE, METHODS.md 3.1 C). "concat":
    normalise([w^1 x^1; w^2 x^2; ...]), d' = m d; with equal weights this is TAC's plain
    concatenation (METHODS.md 2.3). "equal": w^m = 1 / m. Without counterparts it is the image.
    """
    modalities = np.stack([image, *counterparts]).astype(np.float32, copy=False)
    count, rows, dim = modalities.shape
    if weights == "adaptive":
        share = adaptive_weights(modalities, gamma)
    else:
        share = np.full((rows, count), 1.0 / count, dtype=np.float32)
    weighted = modalities.transpose(1, 0, 2) * share[:, :, None]
    fused = weighted.sum(axis=1) if mode == "sum" else weighted.reshape(rows, count * dim)
    return normalise(fused), share


@dataclass(frozen=True)
class View:
    """What makes counterparts in one space: its texts and their solved transport.

    `texts` (M, d) as transport saw them, `mixed` (M, d) as fusion wants them.
    """

    texts: FloatArray
    mixed: FloatArray
    potential: Potential
    weighting: Weighting

    def counterparts(self, seen: FloatArray) -> FloatArray:
        """Counterparts (b, d) of images `seen` (b, d); only a few rows x M exist at a time."""
        from tasks.plans import counterparts

        return counterparts(seen, self.texts, self.potential, self.weighting, self.mixed)


def open_view(
    workspace: Workspace,
    space: Artifact,
    solved: Artifact,
    transport: TransportConfig,
    config: FusionConfig,
) -> View:
    """The view of one space, centred for transport and for fusion as each is configured."""
    texts, _ = space_texts(workspace, space, transport.centred)
    same = transport.centred == config.centred
    return View(
        texts=texts,
        mixed=texts if same else space_texts(workspace, space, config.centred)[0],
        potential=Potential.load(solved.file(workspace, POTENTIAL)),
        weighting=transport.weighting,
    )


@dataclass(frozen=True)
class Fuser:
    """Makes fused vectors of a run's images, and of images that it has not seen.

    `mean` (d,) is that of the run's images, whatever images are fused; `views` are by modality,
    in the order of MODALITIES, and `unfused` are those of them that only a head reads.
    """

    mean: FloatArray
    views: dict[str, View]
    transport: TransportConfig
    config: FusionConfig
    unfused: tuple[str, ...] = ()

    def modalities(self, block: FloatArray) -> dict[str, FloatArray]:
        """Images and their counterparts, each (b, d), of image vectors (b, d)."""
        seen = centre(block, self.mean if self.transport.centred else None)
        image = centre(block, self.mean if self.config.centred else None)
        found = {name: view.counterparts(seen) for name, view in self.views.items()}
        return {"image": image, **found}

    def fuse(self, modalities: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Fused unit vectors (b, d') and weights (b, m) of `modalities`."""
        rule = self.config
        image, *counterparts = (
            rows for name, rows in modalities.items() if name not in self.unfused
        )
        return fuse_block(image, counterparts, rule.mode, rule.weights, rule.gamma)

    def __call__(self, block: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Fused unit vectors (b, d') and weights (b, m) of image vectors (b, d)."""
        return self.fuse(self.modalities(block))


def open_fuser(
    workspace: Workspace,
    images: Artifact,
    spaces: dict[str, Artifact],
    transports: dict[str, Artifact],
    transport: TransportConfig,
    config: FusionConfig,
    unfused: tuple[str, ...] = (),
) -> Fuser:
    """The fuser of a run, from its stored mean, spaces and potentials."""
    views = {
        name: open_view(workspace, spaces[name], transports[name], transport, config)
        for name in MODALITIES
        if name in spaces
    }
    return Fuser(np.load(images.file(workspace, "mean.npy")), views, transport, config, unfused)


def write_shards(
    folder: Path, keys: Sequence[str], blocks: Iterable[FloatArray], shard_blocks: int = 16
) -> None:
    """Write blocks as `vectors-00000.parquet`, ... in order, each of `shard_blocks` row groups.

    Blocks of `ROW_GROUP` rows thus make shards of 65,536 rows.
    """
    pending, done = iter(blocks), 0
    for number in itertools.count():
        first = next(pending, None)
        if first is None:
            return
        path = folder / f"vectors-{number:05d}.parquet"
        schema = vector_table([], first[:0]).schema
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
            for block in itertools.chain([first], itertools.islice(pending, shard_blocks - 1)):
                writer.write_table(vector_table(keys[done : done + len(block)], block))
                done += len(block)


def weights_table(keys: Sequence[str], columns: dict[str, FloatArray]) -> pa.Table:
    """Arrow table with key and w_image, w_noun, w_caption (float32; unused modalities are 0)."""
    unused = np.zeros(len(keys), dtype=np.float32)
    shares = {f"w_{name}": columns.get(name, unused) for name in MODALITIES}
    return pa.table({"key": pa.array(keys, pa.string()), **shares})


@step("fused", version=1)
def fuse(
    folder: Path,
    workspace: Workspace,
    *,
    images: Artifact,
    spaces: dict[str, Artifact],
    transports: dict[str, Artifact],
    transport: TransportConfig,
    config: FusionConfig,
) -> Written:
    """Write `vectors-00000.parquet`, ... (key, vector) and `weights.parquet`.

    `spaces` and `transports` are named "noun" and "caption"; without any, the vectors are the
    images' own. Raises `RunError` when there is no image.
    """
    rows = open_vectors(workspace, images)
    if not rows.shape[0]:
        raise RunError("fusion needs at least one readable image, got 0; check the source")
    fuser = open_fuser(workspace, images, spaces, transports, transport, config)
    shares: list[FloatArray] = []

    def fused() -> Iterator[FloatArray]:
        for block in rows.blocks(ROW_GROUP):
            out, share = fuser(block)
            shares.append(share)
            yield out

    write_shards(folder, rows.keys, fused())
    columns = dict(zip(["image", *fuser.views], np.concatenate(shares).T, strict=True))
    pq.write_table(weights_table(rows.keys, columns), folder / "weights.parquet")
    return Written(rows=rows.shape[0], facts={"mean_weights": _mean_weights(columns)})


def _mean_weights(columns: dict[str, FloatArray]) -> dict[str, float]:
    means = {name: float(column.mean(dtype=np.float64)) for name, column in columns.items()}
    if means["image"] < _LOST:
        log.warning(
            "the image is being lost: its mean fusion weight is %.2g; "
            "centre the modalities or raise fusion.gamma",
            means["image"],
        )
    return means

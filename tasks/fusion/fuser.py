"""Fusing: image, noun and caption vectors of one image become one vector, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.schema import FusionConfig, TransportConfig, Weighting
from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import (
    FileVectors,
    VectorSet,
    open_file_vectors,
    open_vectors,
)
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, normalise
from sortal.tasks.corpora.space import space_texts
from sortal.tasks.fusion.evening import EVENING, Evening
from sortal.tasks.step import optional
from sortal.tasks.transport.potential import POTENTIAL, Potential

MODALITIES = ("image", "noun", "caption")


def adaptive_weights(
    modalities: FloatArray, gamma: float, known: NDArray[np.bool_] | None = None
) -> FloatArray:
    """Weights of shape (b, m) for unit vectors of shape (m, b, d).

    w_i^m = softmax_m(cos(x_i^m, p_i) / gamma) with the prototype p_i = mean_m x_i^m
    (CAE, docs/methods.md#fusion). A modality that an image lacks, by `known` (m, b), is a zero row
    and weighs nothing.
    """
    prototype = normalise(modalities.mean(axis=0))
    logits = np.einsum("mbd,bd->bm", modalities, prototype) / gamma
    if known is not None:
        logits = np.where(known.T, logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fuse_block(
    image: FloatArray, others: Sequence[FloatArray], rule: FusionConfig
) -> tuple[FloatArray, FloatArray]:
    """Fused unit vectors (b, d') and weights (b, m) of `image` (b, d) and m - 1 other modalities.

    "sum": normalise(sum_m w^m x^m), d' = d (CAE, docs/methods.md#fusion). "concat":
    normalise([w^1 x^1; w^2 x^2; ...]), d' the sum of their dimensions; with equal weights this is
    TAC's plain concatenation (docs/methods.md#tac-without-training). "equal": w^m = 1 / m, but for
    an `image_weight` other than 1. Without others it is the image. What an image lacks, a zero row,
    weighs nothing.
    """
    modalities = [rows.astype(np.float32, copy=False) for rows in (image, *others)]
    known = np.stack([np.ones(len(image), np.bool_), *(rows.any(axis=1) for rows in others)])
    share = _shares(modalities, known, rule)
    weighted = [rows * share[:, [i]] for i, rows in enumerate(modalities)]
    fused = sum(weighted[1:], weighted[0]) if rule.mode == "sum" else np.hstack(weighted)
    return normalise(fused), share


def _shares(
    modalities: Sequence[FloatArray], known: NDArray[np.bool_], rule: FusionConfig
) -> FloatArray:
    """The weights (b, m) of modalities (b, d), by `known` (m, b): which image has which."""
    if rule.weights == "adaptive":
        return adaptive_weights(np.stack(modalities), rule.gamma, None if known.all() else known)
    weights = np.array([rule.image_weight] + [1.0] * (len(modalities) - 1), dtype=np.float32)
    given = known.T * weights
    shares: FloatArray = given / given.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class SpaceCounterparts:
    """What makes counterparts in one space: its texts and their solved transport.

    `texts` (M, d) as transport saw them, `mixed` (M, d) as fusion wants them.
    """

    texts: FloatArray
    mixed: FloatArray
    potential: Potential
    weighting: Weighting

    def counterparts(self, images: FloatArray) -> FloatArray:
        """Counterparts (b, d) of images (b, d); only a few rows x M exist at a time."""
        from sortal.tasks.transport.counterparts import counterparts

        return counterparts(images, self.texts, self.potential, self.weighting, self.mixed)


def open_counterparts(
    workspace: Workspace,
    space: Artifact,
    solved: Artifact,
    transport: TransportConfig,
    config: FusionConfig,
) -> SpaceCounterparts:
    """Counterparts in one space, centred for transport and for fusion as each is configured."""
    texts, _ = space_texts(workspace, space, transport.centred)
    same = transport.centred == config.centred
    return SpaceCounterparts(
        texts=texts,
        mixed=texts if same else space_texts(workspace, space, config.centred)[0],
        potential=Potential.load(solved.file(workspace, POTENTIAL)),
        weighting=transport.weighting,
    )


@dataclass(frozen=True)
class Fuser:
    """Makes fused vectors of a run's images, and of images that it has not seen.

    `mean` (d,) is that of the run's images, whatever images are fused; `spaces` are by modality,
    in the order of MODALITIES, and `unfused` are those of them that only a head reads. `evening`
    is there where `config.evened` asks for it, once it is known.
    """

    mean: FloatArray
    spaces: dict[str, SpaceCounterparts]
    transport: TransportConfig
    config: FusionConfig
    unfused: tuple[str, ...] = ()
    evening: Evening | None = None
    further: dict[str, FloatArray] = field(default_factory=dict)  # means (d,), by modality

    def modalities(
        self, block: FloatArray, further: Mapping[str, FloatArray] | None = None
    ) -> dict[str, FloatArray]:
        """Images, counterparts and `further` modalities, (b, d) each, of image vectors (b, d).

        What is not given of the further ones, as of an image that the run has not seen, is zero.
        """
        matched = centre(block, self.mean if self.transport.centred else None)
        image = centre(block, self.mean if self.config.centred else None)
        found = {name: space.counterparts(matched) for name, space in self.spaces.items()}
        for name, mean in self.further.items():
            rows = (further or {}).get(name)
            found[name] = (
                np.zeros((len(block), len(mean)), np.float32)
                if rows is None
                else centre(rows, mean) * rows.any(axis=1, keepdims=True)
                if self.config.centred
                else rows
            )
        return {"image": image, **found}

    def fuse(self, modalities: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Fused unit vectors (b, d') and weights (b, m) of `modalities`."""
        image, *counterparts = (
            rows for name, rows in modalities.items() if name not in self.unfused
        )
        fused, share = fuse_block(image, counterparts, self.config)
        return (self.evening(fused) if self.evening else fused), share

    def __call__(
        self, block: FloatArray, further: Mapping[str, FloatArray] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Fused unit vectors (b, d') and weights (b, m) of image vectors (b, d)."""
        return self.fuse(self.modalities(block, further))


@dataclass(frozen=True, kw_only=True)
class FuseInputs:
    """What fusion reads; `spaces` and `transports` are named "noun" and "caption"."""

    images: Artifact
    spaces: dict[str, Artifact]
    transports: dict[str, Artifact]
    transport: TransportConfig
    config: FusionConfig
    earlier: Artifact | None = optional()  # whose directions are kept, where they are evened
    modalities: dict[str, Artifact] | None = optional()  # further ones, row for row with images


def open_fuser(
    workspace: Workspace,
    inputs: FuseInputs,
    unfused: tuple[str, ...] = (),
    fused: Artifact | None = None,
) -> Fuser:
    """The fuser of a run, from its stored mean, spaces and potentials.

    `fused` is what it has made before, which holds how directions are evened.
    """
    transport, config = inputs.transport, inputs.config
    spaces = {
        name: open_counterparts(
            workspace, inputs.spaces[name], inputs.transports[name], transport, config
        )
        for name in MODALITIES
        if name in inputs.spaces
    }
    mean = np.load(inputs.images.file(workspace, "mean.npy"))
    evening = Evening.load(fused.file(workspace, EVENING)) if fused and config.evened else None
    further = {
        name: np.load(part.file(workspace, "mean.npy"))
        for name, part in (inputs.modalities or {}).items()
    }
    _check_dims(config, len(mean), further)
    return Fuser(mean, spaces, transport, config, unfused, evening, further)


def _check_dims(config: FusionConfig, dim: int, further: Mapping[str, FloatArray]) -> None:
    """Refuse to compare or to add vectors of different lengths; raises UsageError."""
    odd = next((name for name, mean in further.items() if len(mean) != dim), None)
    if odd and (config.mode, config.weights) != ("concat", "equal"):
        raise UsageError(
            f"fusion.modalities: {odd} has {len(further[odd])} dimensions and images have {dim}, "
            "so they only lie side by side; set fusion.mode=concat and fusion.weights=equal,"
            f" or modalities.{odd}.encoder to the images' own"
        )


@dataclass(frozen=True)
class Together:
    """Images and the same images' rows of further modalities, read side by side."""

    images: VectorSet
    further: dict[str, FileVectors]

    @classmethod
    def open(cls, workspace: Workspace, inputs: FuseInputs) -> "Together":
        """Those of the inputs of fusion."""
        parts = (inputs.modalities or {}).items()
        further = {name: open_file_vectors(workspace, part) for name, part in parts}
        return cls(open_vectors(workspace, inputs.images), further)

    def between(self, start: int, stop: int) -> "Together":
        """The rows `start` to `stop`."""
        further = {name: rows.between(start, stop) for name, rows in self.further.items()}
        return Together(self.images.between(start, stop), further)

    def blocks(self, size: int) -> Iterator[tuple[FloatArray, dict[str, FloatArray]]]:
        """Consecutive blocks of at most `size` images, each with its further rows by name."""
        others = [rows.blocks(size) for rows in self.further.values()]
        for block, *found in zip(self.images.blocks(size), *others, strict=True):
            yield block, dict(zip(self.further, found, strict=True))

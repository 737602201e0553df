"""Fusing: image, noun and caption vectors of one image become one vector, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sortal.configs.schema import FusionConfig, TransportConfig, Weighting
from sortal.storage.artifacts import Artifact
from sortal.storage.rows import FloatArray
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, normalise
from sortal.tasks.fusion.evening import EVENING, Evening
from sortal.tasks.selection.space import space_texts
from sortal.tasks.step import optional
from sortal.tasks.transport.potential import POTENTIAL, Potential

MODALITIES = ("image", "noun", "caption")


def adaptive_weights(modalities: FloatArray, gamma: float) -> FloatArray:
    """Weights of shape (b, m) for unit vectors of shape (m, b, d).

    w_i^m = softmax_m(cos(x_i^m, p_i) / gamma) with the prototype p_i = mean_m x_i^m
    (CAE, docs/methods.md#fusion).
    """
    prototype = normalise(modalities.mean(axis=0))
    logits = np.einsum("mbd,bd->bm", modalities, prototype) / gamma
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fuse_block(
    image: FloatArray, counterparts: Sequence[FloatArray], rule: FusionConfig
) -> tuple[FloatArray, FloatArray]:
    """Fused unit vectors (b, d') and weights (b, m) of `image` (b, d) and m - 1 counterparts.

    "sum": normalise(sum_m w^m x^m), d' = d (CAE, docs/methods.md#fusion). "concat":
    normalise([w^1 x^1; w^2 x^2; ...]), d' = m d; with equal weights this is TAC's plain
    concatenation (docs/methods.md#tac-without-training). "equal": w^m = 1 / m, but for an
    `image_weight` other than 1. Without counterparts it is the image.
    """
    modalities = np.stack([image, *counterparts]).astype(np.float32, copy=False)
    count, rows, dim = modalities.shape
    if rule.weights == "adaptive":
        share = adaptive_weights(modalities, rule.gamma)
    else:
        weights = np.array([rule.image_weight] + [1.0] * (count - 1), dtype=np.float32)
        share = np.tile(weights / weights.sum(), (rows, 1))
    weighted = modalities.transpose(1, 0, 2) * share[:, :, None]
    fused = weighted.sum(axis=1) if rule.mode == "sum" else weighted.reshape(rows, count * dim)
    return normalise(fused), share


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

    def modalities(self, block: FloatArray) -> dict[str, FloatArray]:
        """Images and their counterparts, each (b, d), of image vectors (b, d)."""
        matched = centre(block, self.mean if self.transport.centred else None)
        image = centre(block, self.mean if self.config.centred else None)
        found = {name: space.counterparts(matched) for name, space in self.spaces.items()}
        return {"image": image, **found}

    def fuse(self, modalities: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Fused unit vectors (b, d') and weights (b, m) of `modalities`."""
        image, *counterparts = (
            rows for name, rows in modalities.items() if name not in self.unfused
        )
        fused, share = fuse_block(image, counterparts, self.config)
        return (self.evening(fused) if self.evening else fused), share

    def __call__(self, block: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Fused unit vectors (b, d') and weights (b, m) of image vectors (b, d)."""
        return self.fuse(self.modalities(block))


@dataclass(frozen=True, kw_only=True)
class FuseInputs:
    """What fusion reads; `spaces` and `transports` are named "noun" and "caption"."""

    images: Artifact
    spaces: dict[str, Artifact]
    transports: dict[str, Artifact]
    transport: TransportConfig
    config: FusionConfig
    earlier: Artifact | None = optional()  # whose directions are kept, where they are evened


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
    return Fuser(mean, spaces, transport, config, unfused, evening)

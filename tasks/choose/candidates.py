"""The candidates: ways of comparing images, each a few settings laid over a run's."""

from sortal.configs.heads import IMAGES_PER_CLUSTER, HeadConfig, SicConfig, TrainerConfig
from sortal.configs.schema import FusionConfig, RunConfig
from sortal.configs.section import Section

# What a candidate is called where people read it.
WORDS = {
    "image": "the image alone",
    "image-and-nouns": "image and nouns, 3 to 1",
    "image-and-nouns-evened": "image and nouns, 3 to 1, directions evened",
    "image-and-nouns-equal": "image and nouns alike",
    "image-and-nouns-uncentred": "image and nouns alike, not centred",
    "adaptive": "image, nouns and captions, weighted image by image",
}
IMAGE = "image"  # the kind that has no texts
NOUNS = "image-and-nouns"  # begins the names of those that have nouns alone
EVENED = "-evened"  # ends the names of those whose directions are evened
_LEAST_EPOCHS, _MOST_EPOCHS = 10, 100
_BATCH = 128
_SPACES: dict[str, tuple[str, ...]] = {
    "image": (),
    "image-and-nouns": ("noun",),
    "image-and-nouns-equal": ("noun",),
    "image-and-nouns-uncentred": ("noun",),
    "adaptive": ("noun", "caption"),
}


class Candidate(Section):
    """The counterparts that are fused with an image, of `spaces`, and how.

    `kind` is shared by those that differ in evening alone. `trained`: in the end a head takes the
    place of k-means.
    """

    kind: str
    spaces: tuple[str, ...]
    fusion: FusionConfig
    trained: bool = False


def candidates_of(config: RunConfig) -> dict[str, Candidate]:
    """The candidates of a run by name, as `config.choose` lists them.

    Where one kind prevails, the mean is near it, and centred vectors tell it from nothing: the
    image alone, and one of those with nouns, are compared as they are (docs/methods.md#auto).
    """
    evened = config.choose.directions * config.n_clusters
    ways = {
        "image": _way(config, centred=False),
        "image-and-nouns": _way(config, image_weight=3.0),
        "image-and-nouns-equal": _way(config),
        "image-and-nouns-uncentred": _way(config, centred=False),
        "adaptive": _way(config, weights="adaptive"),
    }
    found: dict[str, Candidate] = {}
    for name in config.choose.candidates:
        kind = name.removesuffix(EVENED)
        fusion = ways[kind].model_copy(update={"evened": evened if name != kind else 0})
        spaces = _SPACES[kind]
        found[name] = Candidate(kind=kind, spaces=spaces, fusion=fusion, trained=kind == IMAGE)
    return found


def _way(config: RunConfig, **fusion: object) -> FusionConfig:
    plain = {"mode": "sum", "weights": "equal", "image_weight": 1.0, "evened": 0}
    return config.fusion.model_copy(update=plain | fusion)


def with_candidate(config: RunConfig, candidate: Candidate, n_images: int) -> RunConfig:
    """The settings of a run of `n_images` that compares them so."""
    nouns, captions = (name in candidate.spaces for name in ("noun", "caption"))
    decided = {
        "nouns": config.nouns.model_copy(update={"fuse": nouns}),
        "captions": config.captions.model_copy(update={"fuse": captions}),
        "fusion": candidate.fusion,
    }
    if candidate.trained:
        decided["head"] = _head(config.n_clusters, config.choose.steps, n_images)
    return config.model_copy(update=decided)


def _head(n_clusters: int, steps: int, n_images: int) -> HeadConfig:
    """SIC's head without texts: neighbours and balance, from the clusters of k-means.

    As the preset sic-no-pseudo-labels, but of many images it takes no more than about `steps`.
    """
    size = max(_BATCH, IMAGES_PER_CLUSTER * n_clusters)
    epochs = steps // max(n_images // size, 1)
    trainer = TrainerConfig(
        epochs=max(_LEAST_EPOCHS, min(epochs, _MOST_EPOCHS)),
        batch_size=size,
        lr=1e-4,
        betas=(0.9, 0.999),
        weight_decay=1e-4,
        n_neighbours=20,
    )
    return HeadConfig(method="sic", trainer=trainer, sic=SicConfig(pseudo_labels=0.0))

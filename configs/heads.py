"""Settings of trained heads: one trainer, and a section a method, which says what it reads.

Defaults of the trainer are TAC's; the presets of other methods say where they differ. A new
method adds its section here, and its name to `HeadConfig`: in `method` and as a field.
"""

from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from sortal.configs.errors import UsageError
from sortal.configs.section import SHARPEST, Renamed, Runtime, Section, usual

IMAGES_PER_CLUSTER = 4  # in a batch that is made smaller to fit a collection [infer]


class TrainerConfig(Section):
    """How a head is trained, whatever the method (TAC's values, docs/methods.md#tac-training)."""

    epochs: int = Field(20, ge=1, le=10_000)
    batch_size: int = Field(512, ge=2)  # at most; the last, smaller batch of an epoch is dropped
    # A collection too small for so many steps an epoch gets smaller batches; TAC's smallest has 7
    # (DTD, docs/methods.md#trained-heads) [infer].
    min_steps: int = Field(7, ge=1)
    n_neighbours: int = Field(50, ge=1, le=1000)
    optimiser: Literal["adam", "adamw"] = "adam"
    lr: float = Field(1e-3, gt=0.0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.0, ge=0.0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"  # of lr, down to 0
    warmup: float = Field(0.0, ge=0.0, lt=1.0)  # share of the steps in which lr rises from 0
    patience: int = Field(5, ge=1)  # `selection: paper` stops after so many epochs without a gain
    device: Literal["auto", "cpu", "cuda", "mps"] = Runtime("auto")
    checkpoint_every: int = Runtime(1, ge=1)  # epochs

    def fitted(self, n_images: int, n_clusters: int) -> "TrainerConfig":
        """These settings with a batch that fits `n_images`: `min_steps` of them make an epoch.

        It holds at least `IMAGES_PER_CLUSTER` images a cluster, as smaller ones collapse, even if
        there are then fewer steps.
        """
        least = min(IMAGES_PER_CLUSTER * n_clusters, n_images)
        size = min(self.batch_size, max(n_images // self.min_steps, least))
        return self.model_copy(update={"batch_size": size})


class Reads(NamedTuple):
    """What a method reads: modalities of each image, those it decides by, and spaces of texts."""

    modalities: tuple[str, ...] = ()
    deciding: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The corpora behind it: "noun", "caption"."""
        used = (*self.modalities, *self.spaces)
        return tuple(name for name in ("noun", "caption") if name in used)


class TacConfig(Section):
    """TAC's losses (docs/methods.md#tac-losses); switches for its ablations."""

    distillation: Literal["both", "text_to_image", "image_to_text", "none"] = "both"
    temperature: float = Field(0.5, ge=SHARPEST)  # 5.0 for UCF-101 and ImageNet
    confidence: bool = True
    balance: float = Field(5.0, ge=0.0)  # weight of the entropy of the mean; 0 = off
    width: int = Field(512, ge=1)  # hidden units; the papers' heads keep CLIP's 512 dimensions

    @property
    def reads(self) -> Reads:
        """The image and its noun counterpart; it decides by the image."""
        return Reads(("image", "noun"), ("image",))


class SicConfig(Section):
    """SIC's losses and its semantic space (docs/methods.md#sic); switches for its ablations."""

    consistency: bool = True
    balance: float = Field(5.0, ge=0.0)  # lambda; 0 = off
    pseudo_labels: float = Field(0.1, ge=0.0)  # beta; 0 = no semantic pseudo-labels
    uniqueness: float = Field(0.05, ge=0.0, lt=1.0)  # gamma_u: nouns of cosine >= 1 - it are out
    top_images: float = Field(0.9, gt=0.0, le=1.0)  # xi_c: share of N / C images behind a centre
    top_nouns: int = Field(30, ge=1)  # xi_a: nouns behind a semantic centre
    initialise: Literal["centres", "random"] = "centres"  # both are SIC's; its default is unknown
    sharpness: float = Field(0.05, gt=0.0)  # a of the initialisation (2 a mu, -a |mu|^2)
    # SIC reads CLIP's features as they are, of norm about 10; ours have unit length [infer].
    scale: float = Field(10.0, gt=0.0)
    n_init: int = Field(20, ge=1)  # restarts of the k-means behind the initialisation

    @property
    def reads(self) -> Reads:
        """The image, by which it decides, and the nouns of the semantic space, if any is used."""
        return Reads(("image",), ("image",), ("noun",) if self.pseudo_labels else ())


class McaConfig(SicConfig):
    """MCA's three alignments and its semantic space over SIC's terms.

    See docs/methods.md#mca-equations.

    No equation and no value of the paper is known beyond SIC's: all that follows is [infer], and
    a weight of 0 switches its level off. Of SIC's settings, `pseudo_labels` is the weight of the
    semantic level (b3) and `top_nouns` is k_p, of the prototypes.
    """

    instance: float = Field(0.1, ge=0.0)  # b1: an image and the nouns it attends to
    prototype: float = Field(0.1, ge=0.0)  # b2: prototypes of images and of nouns
    top_nouns: int = Field(10, ge=1)  # k_p
    instance_nouns: int = Field(10, ge=1)  # k_S: nouns that an image attends to
    attention: float = Field(0.01, ge=SHARPEST)  # tau, temperature over these
    adapt: float = Field(0.1, ge=0.0)  # a: vectors learn, normalise(x + a A x), A from 0; 0: frozen
    temperature: float = Field(0.1, ge=SHARPEST)  # of the prototypes' InfoNCE
    hierarchy: bool = True  # drop nouns that WordNet puts above another one of the same centre
    centre_nouns: int = Field(500, ge=1)  # gamma_r: nouns of a centre that the filter sees
    kept_nouns: int = Field(200, ge=1)  # nouns kept for a centre
    trim: Literal["nearest", "shallowest"] = "nearest"  # which of them, if there are more

    @property
    def reads(self) -> Reads:
        """The image, by which it decides, and the nouns of the semantic space."""
        return Reads(("image",), ("image",), ("noun",))


class GladConfig(Section):
    """GLAD's alignments over two or more modalities; switches for its ablations.

    See docs/methods.md#glad-settings.

    The paper states the weights, the temperature and the number of centres; all else is [infer].
    """

    modalities: tuple[str, ...] = Renamed(("image", "noun", "caption"), "views")  # and further ones
    width: int = Field(256, ge=1)  # d, of every modality's projection, as UMC's
    hidden: int = Field(0, ge=0)  # units of a hidden layer of the projectors; 0: linear
    global_weight: float = Field(0.5, ge=0.0)  # lambda_1 of L_GSA; 0 = off
    local_weight: float = Field(0.5, ge=0.0)  # lambda_2 of L_LSA; 0 = off
    labels: bool = True  # L_kl of L_GSA
    # What a modality's soft assignments are: the plan of transport to the centres, a softmax of
    # the cosines alone, or the nearest centre of the common representation (which drops L_OT).
    joint: Literal["transport", "cosine", "none"] = "transport"
    rows: Literal["rownorm", "softmax"] = "rownorm"  # of the plan; softmax is the paper's words
    epsilon: float = Field(0.02, ge=SHARPEST)  # of the transport, in cosines
    max_iter: int = Field(50, ge=1)  # Sinkhorn steps a mini-batch
    tol: float = Field(1e-3, gt=0.0)  # L1 error of the column sums
    temperature: float = Field(0.05, ge=SHARPEST)  # tau of L_LSA
    weights: bool = True  # s_ij of L_LSA: similar pairs stop being negatives
    similarity: Literal["input", "projected"] = "input"  # whose cosines s_ij are; no gradient
    positive: bool = True  # the positive is in L_LSA's denominator too, as in InfoNCE
    predict: Literal["labels", "centres"] = "labels"  # clusters: the label predictor's, or k-means'
    n_init: int = Field(20, ge=1)  # restarts of the first epoch's k-means; later ones start warm

    @field_validator("modalities")
    @classmethod
    def _several(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(modalities)) < max(2, len(modalities)):
            raise UsageError(
                "head.glad.modalities must name two or more modalities, each once, got "
                f"{list(modalities)}; take image, noun, caption or a name under `modalities`"
            )
        return modalities

    @property
    def reads(self) -> Reads:
        """All of its modalities, and it decides by them."""
        return Reads(self.modalities, self.modalities)


class SacConfig(Section):
    """SAC's losses (docs/methods.md#sac-losses); switches for its ablations.

    Values are those of the published script where it has one; the others are [infer].
    """

    modality: str = Renamed("description", "view")  # the one that holds each image's caption
    contrast: bool = True
    weighted: bool = True  # pairs count by how far their clusters agree
    weights_learn: bool = True  # gradients flow through the weights, as in the script
    third_term: bool = True  # captions to images; the script computes it and never adds it
    mask_self: bool = False  # whether a row is left out of its own negatives; not in the script
    temperature: float = Field(1.1, ge=SHARPEST)  # T, of the contrast and of the weights
    alpha: float = Field(0.9, ge=0.0, le=1.0)  # the contrasted pair's share of its weight
    scale: float = Field(1.0, gt=0.0)  # s, how sharply a weight follows the agreement
    alignment: float = Field(0.6, ge=0.0)  # lambda_a; 0 = off
    beta: float = Field(0.5, ge=0.0, le=1.0)  # of images, against clusters, in the alignment
    balance: float = Field(5.0, ge=0.0)  # lambda_b; 4.0 in a re-implementation; 0 = off
    width: int = Field(512, ge=1)

    @property
    def reads(self) -> Reads:
        """The image and its caption; it decides by the image."""
        return Reads(("image", self.modality), ("image",))


class TurtleConfig(Section):
    """TURTLE's spaces and its two levels (docs/methods.md#turtle)."""

    modalities: tuple[str, ...] = ("image", "noun")  # the spaces: one or more
    balance: float = Field(10.0, ge=0.0)  # gamma: weight of each space's entropy of the mean
    inner_steps: int = Field(10, ge=1)  # of a space's classifier before each step of the labels
    scale: float = Field(10.0, gt=0.0)  # length of the input vectors [infer]

    @field_validator("modalities")
    @classmethod
    def _some(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(modalities)) < max(1, len(modalities)):
            raise UsageError(
                "head.turtle.modalities must name one or more modalities, each once, got "
                f"{list(modalities)}; take image, noun, caption or a name under `modalities`"
            )
        return modalities

    @property
    def reads(self) -> Reads:
        """All of its spaces, and it decides by them."""
        return Reads(self.modalities, self.modalities)


class HeadConfig(Section):
    """The head trained on the frozen vectors; "none" partitions by k-means instead."""

    method: Literal["none", "tac", "sic", "mca", "sac", "glad", "turtle"] = "none"
    # fixed: the last epoch counts. paper: the epoch that agrees best with the labels, as SIC's
    # and SAC's scripts do; for reproduction only, and the lake says so.
    selection: Literal["fixed", "paper"] = "fixed"
    # What a head sees as the image: the image's own vector, or what fusion makes of it, which is
    # what a criterion (`by`) is about (docs/methods.md#criteria).
    image: Literal["own", "fused"] = "own"
    trainer: TrainerConfig = TrainerConfig()
    tac: TacConfig = TacConfig()
    sic: SicConfig = SicConfig()
    mca: McaConfig = McaConfig()
    glad: GladConfig = GladConfig()
    sac: SacConfig = SacConfig()
    turtle: TurtleConfig = TurtleConfig()

    @property
    def reads(self) -> Reads:
        """What the configured method reads, as its section says; nothing without a head."""
        if self.method == "none":
            return Reads()
        found: Reads = getattr(self, self.method).reads
        return found

    def unread(self) -> set[str]:
        """The sections of other methods, and without a head all settings: they change nothing."""
        fields = type(self).model_fields
        sections = {name for name in fields if isinstance(getattr(self, name), Section)}
        if self.method == "none":
            return set(fields) - {"method"}
        return (sections - {"trainer", self.method}) | usual(self, "image")

    def check_seen(self, mode: str, evened: int) -> None:
        """Raise `UsageError` where fused vectors are not as long as texts, and a head sees both."""
        if self.method != "none" and self.image == "fused" and (mode != "sum" or evened):
            raise UsageError(
                "head.image=fused must go with fusion.mode=sum and fusion.evened=0, got "
                f"{mode} and {evened}; leave these out, or set head.image=own"
            )

    def check(self, n_images: int, n_clusters: int) -> None:
        """Raise `UsageError` where training would surely collapse."""
        size = self.trainer.batch_size
        if self.method != "none" and n_images < n_clusters:
            rule = f"at least n_clusters = {n_clusters:,} images are needed"
            raise UsageError(f"{rule}, got {n_images:,}; ask for fewer clusters")
        if self.method != "none" and size < n_clusters:
            raise UsageError(
                f"head.trainer.batch_size must be at least n_clusters = {n_clusters:,}, got "
                f"{size:,}: smaller batches collapse; --set head.trainer.batch_size="
                f"{n_clusters * IMAGES_PER_CLUSTER}"
            )

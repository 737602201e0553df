"""The configuration of a run. Every method and ablation is a setting of this one schema.

Defaults stand next to what they mean. [infer] marks a constant the papers do not state: it is
our choice, documented in docs/methods.md.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)

from sortal.configs import CAPTIONS, LEASE_SECONDS, METHOD, PATIENCE_SECONDS, WORKSPACE
from sortal.configs.encoder import EncoderConfig, from_vectors, suited, with_sureness
from sortal.configs.errors import UsageError
from sortal.configs.evaluation import ChooseConfig, CountConfig, EvaluationConfig, with_count
from sortal.configs.executor import LOCAL, ExecutorName, Products, RayConfig
from sortal.configs.heads import HeadConfig
from sortal.configs.lineage import LineageConfig
from sortal.configs.looks import LooksConfig
from sortal.configs.modalities import (
    CaptionerConfig,
    ClassesConfig,
    ModalityConfig,
    NamingConfig,
    check_names,
)
from sortal.configs.partition import PartitionConfig
from sortal.configs.presets import load_preset, with_criterion, with_present_names
from sortal.configs.remote import RemoteConfig, name_of, without_secrets
from sortal.configs.section import SHARPEST, Renamed, Runtime, Section, usual

Selection = Literal["nearest", "reverse_softmax"]
Weighting = Literal["plan", "plan_times_similarity"]
# What WordNet's nouns are cut down to, or a list of ours (tasks/corpora/data/criteria).
NounList = Literal[
    "lemmas", "tac", "sic", "sic-literal", "thing",
    "scene", "action", "colour", "material", "style",
]  # fmt: skip

_LEAST_BALANCE = 1e-6  # 1 / balance must be far from what overflows

PHOTOGRAPHABLE = (
    "noun.Tops",
    "noun.animal",
    "noun.artifact",
    "noun.body",
    "noun.food",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.substance",
)


class ImagesConfig(Section):
    """What is read from the source."""

    max_pixels: int = Field(200_000_000, ge=1)  # a larger image is refused as a bomb
    max_bytes: int = Field(512_000_000, ge=1)  # a larger file is refused unread
    # What follows is seen in the rows of the scan, which is what later steps stand on.
    exclude: tuple[str, ...] = Runtime(())  # globs of files that are left out
    include: tuple[str, ...] = Runtime(())  # globs of files that no rule leaves out
    column: str | None = Runtime(None)  # of the images in Parquet and Arrow; None: found by type
    label_column: str | None = Runtime(None)  # of labels in tables; None: found by its name
    verify: bool = Runtime(False)  # hash every file again, even if size and mtime are unchanged
    num_workers: int = Runtime(2, ge=0, le=64)  # processes that read and decode
    remote: RemoteConfig = Runtime(RemoteConfig())  # how buckets and URLs are read


class NounsConfig(Section):
    """The nouns corpus: what a thing is."""

    fuse: bool = True  # False: the nouns only name the clusters
    source: Literal["auto", "nltk", "embedded", "vectors", "none"] = "auto"  # none: no names
    names: NounList = "lemmas"  # docs/methods.md#noun-lists
    vocabulary: str | None = Runtime(None)  # a file of terms of yours; its content counts alone
    vocabulary_mode: Literal["replace", "add"] = "replace"  # of the nouns that `names` lists
    vocabulary_content: str | None = None  # the hash of that file, which a run fills in
    lexnames: tuple[str, ...] = PHOTOGRAPHABLE  # lexicographer files kept; () = all 26 [infer]
    min_depth: int = Field(0, ge=0, le=20)  # shortest hypernym path to entity, in edges
    max_depth: int = Field(20, ge=0, le=20)
    max_words: int = Field(9, ge=1, le=9)  # words in a noun
    instances: bool = False  # keep what is one of its kind: Paris, the Nile, Mozart
    taxa: bool = False  # keep scientific names: Canis, genus Canis, Canis familiaris
    templates: tuple[str, ...] | Literal["auto", "tac", "sic"] = "auto"  # auto: the encoder's

    def unread(self) -> set[str]:
        """Without a vocabulary nothing of it counts."""
        none = self.vocabulary is None and self.vocabulary_content is None
        return {"vocabulary_mode", "vocabulary_content"} if none else set()


class CaptionsConfig(Section):
    """The captions corpus: what a thing looks like."""

    fuse: bool = True
    source: str = CAPTIONS  # starter | a file | vectors | none
    format: Literal["auto", "flickr", "coco", "text", "table"] = "auto"
    min_words: int = Field(3, ge=1)
    max_words: int = Field(60, ge=1)


class SelectionConfig(Section):
    """The semantic space: the texts worth keeping for this collection."""

    method: Selection = "nearest"
    images_per_centre: int = Field(300, ge=1)  # TAC's N / 300 rule
    centres_per_cluster: int = Field(3, ge=1)  # at least 3 C centres when N / 300 < C
    max_centres: int | None = Field(
        1000, ge=1
    )  # but centres_per_cluster a cluster where that is more; None: no bound [infer]
    top_k: int = Field(5, ge=1)  # texts kept for each centre
    centred: bool = True  # remove each modality's mean before comparing [infer]
    n_init: int = Field(3, ge=1)  # restarts of the centres' k-means; one where they are sampled
    fit_rows: int = Field(
        100_000, ge=1
    )  # of more images, those centres are fitted on, at the least

    def unread(self) -> set[str]:
        """What has a part in what is chosen of many images alone has it as an input of the step."""
        return usual(self, "fit_rows", "max_centres")


class TransportConfig(Section):
    """Counterparts: each image as a mixture of the semantic space's texts."""

    solver: Literal["sinkhorn", "pot"] = "sinkhorn"
    epsilon: float = Field(
        0.1, ge=SHARPEST, le=10.0
    )  # entropic regularisation; a softmax's temperature
    balance: float = Field(0.5, ge=0.0, le=1.0)  # 0 softmax retrieval, 1 balanced [infer]
    # docs/methods.md#counterparts [infer]
    weighting: Weighting = "plan"
    centred: bool = True
    max_iter: int = Field(500, ge=0)
    tol: float = Field(1e-4, gt=0.0)  # total error of the column marginal
    fit_rows: int = Field(262_144, ge=1)  # of more images, those the potential is fitted on
    strict: bool = False  # not converged: an error instead of a flag
    memory_budget: int | None = Runtime(None)  # bytes; None = a quarter of what is free
    precision: Products = "float32"  # of what a GPU multiplies
    compile: bool = Runtime(False)  # a GPU's passes by torch.compile: docs/performance.md

    @field_validator("balance")
    @classmethod
    def _told_from_zero(cls, balance: float) -> float:
        if 0 < balance < _LEAST_BALANCE:
            raise UsageError(
                f"transport.balance must be 0, or in [{_LEAST_BALANCE:g}, 1], got {balance:g}"
            )
        return balance

    def unread(self) -> set[str]:
        """As of a selection: how many images are fitted is an input of the step, where not all."""
        return usual(self, "fit_rows", "precision")


class FusionConfig(Section):
    """How image and counterparts become one vector."""

    mode: Literal["sum", "concat"] = "sum"
    weights: Literal["adaptive", "equal"] = "adaptive"
    gamma: float = Field(0.05, ge=SHARPEST, le=100.0)  # temperature of the adaptive weights
    image_weight: float = Field(1.0, gt=0.0, le=1000.0)  # of the image, where all others weigh 1
    evened: int = Field(0, ge=0)  # leading directions kept, their spread evened; 0: all, as it is
    centred: bool = True
    modalities: tuple[str, ...] = ()  # further ones that are fused too, by their names

    def unread(self) -> set[str]:
        """What is off changes nothing, nor what was made before it could be on."""
        unweighted = self.weights == "adaptive" or self.image_weight == 1.0
        off = {"image_weight": unweighted, "evened": not self.evened}
        off["modalities"] = not self.modalities
        return {name for name, unused in off.items() if unused}


class RunConfig(Section):
    """One run: a collection, a method and its settings.

    `method` names a preset (or a YAML file) whose settings lie under the ones given here.
    """

    source: str  # a path, or vectors:DIR for DIR with the encoder vectors:DIR
    n_clusters: int = Field(ge=2)  # or auto, or a range such as 10..60: see CountConfig
    train: str | None = None  # the train split, on which texts are chosen and heads trained
    collection: str | None = None  # default: as the lake knows the source, else its name
    workspace: Path = Runtime(WORKSPACE)
    lease_seconds: float = Runtime(LEASE_SECONDS, ge=2, le=86400)
    patience_seconds: float = Runtime(PATIENCE_SECONDS, ge=0, le=86400)
    executor: ExecutorName = Runtime(LOCAL)  # local, ray, ray://HOST:10001 or HOST:6379
    ray: RayConfig = Runtime(RayConfig())
    method: str = METHOD  # a preset's name, or the path of a YAML file like one
    by: str | None = None  # a criterion (configs/presets.py), or a vocabulary file that is one
    random_state: int = Field(0, ge=0, le=2**32 - 1)
    images: ImagesConfig = ImagesConfig()
    modalities: dict[str, ModalityConfig] = Renamed({}, "views")  # further ones of each image
    captioner: CaptionerConfig = CaptionerConfig()
    encoder: EncoderConfig = EncoderConfig()
    classes: ClassesConfig = ClassesConfig()  # whose names are given
    nouns: NounsConfig = NounsConfig()
    captions: CaptionsConfig = CaptionsConfig()
    selection: SelectionConfig = SelectionConfig()
    transport: TransportConfig = TransportConfig()
    fusion: FusionConfig = FusionConfig()
    count: CountConfig = CountConfig()  # how n_clusters is found, where it is
    choose: ChooseConfig = ChooseConfig()  # of nouns.fuse, captions.fuse, fusion, head
    partition: PartitionConfig = PartitionConfig()
    head: HeadConfig = HeadConfig()
    naming: NamingConfig = NamingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    lineage: LineageConfig = LineageConfig()
    looks: LooksConfig = Runtime(LooksConfig())  # what people look at; never part of a result
    report: bool = Runtime(True)  # write the run's page; `sortal report` makes it at any time

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)  # without what the preset adds

    @model_validator(mode="wrap")
    @classmethod
    def _over_preset(cls, values: Any, make: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(values, dict):
            return make(values)
        given = with_present_names(values)
        preset = suited(load_preset(str(values.get("method", METHOD))), given)
        config = make(with_count(with_sureness(from_vectors(with_criterion(preset, given)))))
        config._given = given
        return config

    def __eq__(self, other: object) -> bool:
        """Whether all settings are equal, however they came to be given."""
        return isinstance(other, RunConfig) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment] # some settings are dictionaries

    def by_method(self, method: str) -> Self:
        """What was given, over the preset of another method; raises ValidationError."""
        return type(self)(**{**self._given, "method": method})

    @model_validator(mode="after")
    def _parted(self) -> "RunConfig":
        number = self.count.words if self.count.chosen else self.n_clusters
        self.partition.check(number, self.head.method, bool(self.choose.candidates))
        for section in (self.partition, self.head):
            section.check_seen(self.fusion.mode, self.fusion.evened)
        return self

    @field_validator("source", "train")
    @classmethod
    def _somewhere(cls, place: str | None) -> str | None:
        if place is not None and not place.strip():
            raise UsageError(f"a source must be a folder, a file or vectors:DIR, got {place!r}")
        return place and without_secrets(place)

    @field_validator("collection")
    @classmethod
    def _nameable(cls, name: str | None) -> str | None:
        if name is not None and (not name.strip() or not name.isprintable() or len(name) > 200):
            raise UsageError(
                f"a collection's name must have 1 to 200 printable characters, got {name[:40]!r}"
            )
        return name

    @field_validator("modalities")
    @classmethod
    def _named(cls, modalities: dict[str, ModalityConfig]) -> dict[str, ModalityConfig]:
        check_names(modalities)
        return modalities

    def unread(self) -> set[str]:
        """How a choice is made where there is none; a criterion, classes that are not given."""
        off = {"choose": not self.choose.candidates, "count": not self.count.chosen}
        off["by"] = self.by is None
        off["classes"] = not self.classes.given
        return {name for name, unused in off.items() if unused}

    @property
    def protocol(self) -> str:
        """`split`: measured on other images than were learnt from; `whole`: on the same."""
        return "split" if self.train else "whole"

    @property
    def continues(self) -> bool:
        """Whether the run continues from earlier ones; one with a train split stands alone."""
        return self.lineage.enabled and self.train is None

    @property
    def method_name(self) -> str:
        """The method's short name, as recorded in the lake."""
        return Path(self.method).stem

    @property
    def collection_name(self) -> str:
        """The collection's name: given, or that of the source, if the lake knows no other of it."""
        return self.collection or name_of(self.source)

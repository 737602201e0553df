"""Further modalities of a run's images: which its method reads, and the steps that make them."""

from typing import Any, NamedTuple, Protocol

from sortal.configs.errors import UsageError
from sortal.configs.modalities import BUILT_IN, ModalityConfig
from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.captioning.captioner import CaptionImagesInputs
from sortal.tasks.captioning.step import caption_images, check_captioner, needed
from sortal.tasks.encoders.registry import describe_text
from sortal.tasks.modalities.step import column_texts, copy_modality, embed_modality
from sortal.tasks.step import Step


class Do(Protocol):
    """What runs a step and notes its artifact under a role."""

    def __call__(self, step: Step, role: str | None = None, **arguments: Any) -> Artifact:
        """The step's artifact."""


def further(config: RunConfig) -> dict[str, ModalityConfig]:
    """The configured modalities that the run's method reads; UsageError for one it lacks."""
    names = [name for name in config.head.reads.modalities if name not in BUILT_IN]
    lacking = [name for name in names if name not in config.modalities]
    if lacking:
        known = ", ".join([*BUILT_IN, *config.modalities])
        raise UsageError(
            f"head.{config.head.method} must name modalities of the run ({known}), got "
            f"{lacking[0]!r}; set modalities.{lacking[0]}.kind to column, captions or vectors"
        )
    return {name: config.modalities[name] for name in names}


def check_modalities(config: RunConfig) -> None:
    """Refuse modalities and texts that the method lacks, and encoders that embed no texts."""
    for name, source in (("noun", config.nouns.source), ("caption", config.captions.source)):
        if source == "none" and name in config.head.reads.texts:
            raise UsageError(
                f"{name}s.source must not be none, since the method {config.method_name} reads "
                f"{name}s; take another source, or a method without them"
            )
    for modality in further(config).values():
        if modality.kind != "vectors":
            describe_text(modality.encoder)
        if modality.kind == "captions":
            check_captioner(config.captioner, config.captions)


class ScannedImages(NamedTuple):
    """The scan of a source, its image vectors, and the captions corpus, where the run has one."""

    scan: Artifact
    images: Artifact
    captions: Space | None


def make_modalities(do: Do, config: RunConfig, given: ScannedImages) -> dict[str, Artifact]:
    """The modalities that the method reads beyond the built-in ones, by name."""
    wanted = further(config).items()
    return {name: _made(do, name, modality, config, given) for name, modality in wanted}


def _made(
    do: Do, name: str, modality: ModalityConfig, config: RunConfig, given: ScannedImages
) -> Artifact:
    about: dict[str, Any] = {"role": f"view.{name}", "name": name, "images": given.images}
    if modality.kind == "vectors":
        return do(copy_modality, scan=given.scan, source=modality.source, **about)
    return do(
        embed_modality,
        texts=_texts(do, name, modality, config, given),
        encoder=config.encoder.model_copy(update={"spec": modality.encoder}),
        encoder_fingerprint=describe_text(modality.encoder).fingerprint,
        **about,
    )


def _texts(
    do: Do, name: str, modality: ModalityConfig, config: RunConfig, given: ScannedImages
) -> Artifact:
    """An artifact with the text of every image."""
    if modality.kind == "captions":
        available = CaptionImagesInputs(
            config=config.captioner.chosen,
            images=given.images,
            source=config.source,
            scan=given.scan,
            reading=config.images,
            corpus=given.captions and given.captions.corpus,
            text_vectors=given.captions and given.captions.vectors,
        )
        return do(caption_images, **vars(needed(available)))
    column = {"source": config.source, "column": modality.column or name}
    return do(column_texts, f"view.{name}.texts", scan=given.scan, **column)

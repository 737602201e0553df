"""Further modalities of a run's images: which of them its method reads, and how they are made."""

from sortal.configs.errors import UsageError
from sortal.configs.modalities import BUILT_IN, ViewConfig
from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Images, Run, Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.captioning.step import caption_images, captioner_state, check_captioner
from sortal.tasks.encoders.registry import describe_text
from sortal.tasks.modalities.step import (
    column_content,
    column_texts,
    copy_view,
    embed_view,
    vectors_content,
)


def further(config: RunConfig) -> dict[str, ViewConfig]:
    """The configured modalities that the method reads; raises UsageError for one it lacks."""
    names = [name for name in config.head.reads.views if name not in BUILT_IN]
    lacking = [name for name in names if name not in config.views]
    if lacking:
        known = ", ".join([*BUILT_IN, *config.views])
        raise UsageError(
            f"head.{config.head.method}.views must name views of the run ({known}), got "
            f"{lacking[0]!r}; set views.{lacking[0]}.kind to column, captions or vectors"
        )
    return {name: config.views[name] for name in names}


def check_modalities(config: RunConfig) -> None:
    """Raise UsageError for modalities and texts that the method lacks, or encoders of no use."""
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


def make_modalities(run: Run, images: Images, captions: Space | None) -> dict[str, Artifact]:
    """The modalities of `images` that the method reads beyond the built-in ones, by name.

    `captions` is the run's captions corpus, where it has one.
    """
    return {
        name: _make(run, name, modality, images, captions)
        for name, modality in further(run.config).items()
    }


def contents(config: RunConfig) -> list[str | None]:
    """Hashes of what the modalities are made of, which may change under settings that do not."""
    return [_content(name, modality, config) for name, modality in further(config).items()]


def _content(name: str, modality: ViewConfig, config: RunConfig) -> str | None:
    if modality.kind == "captions":
        return captioner_state(config.captioner.chosen)
    if modality.kind == "column":
        return column_content(config.train or config.source, modality.column or name)
    assert modality.source is not None
    return vectors_content(modality.source)


def _make(
    run: Run, name: str, modality: ViewConfig, images: Images, captions: Space | None
) -> Artifact:
    role = f"view.{name}"
    if modality.kind == "vectors":
        assert modality.source is not None
        return run.do(
            copy_view,
            role,
            name=name,
            images=images.vectors,
            scan=images.scan,
            source=modality.source,
        )
    texts = (
        _captions(run, images, captions)
        if modality.kind == "captions"
        else run.do(
            column_texts,
            f"{role}.texts",
            scan=images.scan,
            source=_source(run),
            column=modality.column or name,
        )
    )
    return run.do(
        embed_view,
        role,
        name=name,
        images=images.vectors,
        texts=texts,
        encoder=run.config.encoder.model_copy(update={"spec": modality.encoder}),
        encoder_fingerprint=describe_text(modality.encoder).fingerprint,
    )


def _captions(run: Run, images: Images, captions: Space | None) -> Artifact:
    """A caption of every image: of its inputs those that matter to the captioner, no others."""
    config = run.config
    by_texts = config.captioner.kind == "nearest"
    return run.do(
        caption_images,
        "image_captions",
        config=config.captioner.chosen,
        images=images.vectors,
        source=_source(run),
        scan=None if by_texts else images.scan,
        reading=None if by_texts else config.images,
        corpus=captions.corpus if by_texts and captions else None,
        text_vectors=captions.vectors if by_texts and captions else None,
    )


def _source(run: Run) -> str:
    """Where the images lie that a head is trained on."""
    return run.config.train or run.config.source

"""Further modalities of a run's images: which its method reads, and the steps that make them."""

from collections.abc import Sequence

from sortal.configs import CAPTIONS
from sortal.configs.errors import UsageError
from sortal.configs.modalities import BUILT_IN, ModalityConfig
from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Images, Run, Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.captioning.captioner import CaptionImagesInputs
from sortal.tasks.captioning.registry import captioner_of
from sortal.tasks.captioning.step import caption_images, check_captioner, needed
from sortal.tasks.corpora.lists import files_of as lists_of
from sortal.tasks.corpora.step import check_captions
from sortal.tasks.encoders.registry import describe_text
from sortal.tasks.encoders.vector_files import TEXT_ROLES, files_of
from sortal.tasks.modalities.step import (
    column_content,
    column_texts,
    copy_modality,
    embed_modality,
    vectors_content,
)

_OWN = ("auto", "vectors", CAPTIONS)  # sources that mean the texts beside ready-made vectors


def further(config: RunConfig) -> dict[str, ModalityConfig]:
    """The configured modalities that the run's method reads; UsageError for one it lacks."""
    return {
        **_named(config, f"head.{config.head.method}", config.head.reads.modalities),
        **_named(config, "fusion.modalities", config.fusion.modalities),
    }


def _named(config: RunConfig, setting: str, given: Sequence[str]) -> dict[str, ModalityConfig]:
    names = [name for name in given if name not in BUILT_IN]
    lacking = [name for name in names if name not in config.modalities]
    if lacking:
        known = ", ".join([*BUILT_IN, *config.modalities])
        raise UsageError(
            f"{setting} must name modalities of the run ({known}), got "
            f"{lacking[0]!r}; set modalities.{lacking[0]}.kind to column, captions or vectors"
        )
    return {name: config.modalities[name] for name in names}


def _check_fused(config: RunConfig) -> None:
    """Refuse what cannot be fused, or would not be."""
    names = config.fusion.modalities
    own = next((name for name in names if name in BUILT_IN), None)
    if own or len(set(names)) < len(names):
        raise UsageError(
            f"fusion.modalities must name further modalities, each once, got {list(names)}; the "
            "image always is fused, nouns and captions by nouns.fuse and captions.fuse"
        )
    learns = config.train is not None and config.head.method != "none"
    if names and (config.choose.candidates or learns):
        raise UsageError(
            f"fusion.modalities needs a method that does not choose what is fused, nor learns on a "
            f"train split, got {', '.join(names)} with {config.method_name}; use --method vic"
        )


def check_modalities(config: RunConfig) -> None:
    """Refuse modalities and texts that the method lacks, and encoders that embed no texts."""
    _check_classes(config)
    _check_fused(config)
    for name, source in (("noun", config.nouns.source), ("caption", config.captions.source)):
        if source == "none" and name in _needed_texts(config):
            raise UsageError(
                f"{name}s.source must not be none, since the method {config.method_name} reads "
                f"{name}s; take another source, or a method without them"
            )
    check_texts(config)
    if config.captions.source != "none":  # where nothing reads them they still name
        check_captions(config.captions, config.encoder.spec)
    for modality in further(config).values():
        if modality.kind != "vectors":
            describe_text(modality.encoder)
        if modality.kind == "captions":
            check_captioner(config.captioner, config.captions)


def _check_classes(config: RunConfig) -> None:
    """Refuse names of classes where the method would do something else with images."""
    fused = config.nouns.fuse or config.captions.fuse or config.fusion.centred
    fused = fused or bool(config.fusion.modalities)
    if config.classes.given and (fused or config.head.method != "none" or config.choose.candidates):
        raise UsageError(
            f"classes.names is for images as they are, without head, choice or anything fused, got "
            f"the method {config.method_name} with other settings; use --method zero-shot"
        )


def check_texts(config: RunConfig) -> None:
    """Refuse ready-made vectors without the texts that the method reads; raises UsageError."""
    lacking = [name for name in missing_texts(config) if name in read_texts(config)]
    for name in lacking:
        raise UsageError(
            f"the method {config.method_name} reads {name}s, so {config.encoder.vectors} must hold "
            f"a file *{name}s*.parquet (text, vector), got none; docs/vectors.md says what is in "
            "it, and --method kmeans does without"
        )


def missing_texts(config: RunConfig) -> list[str]:
    """The corpora, "noun" or "caption", for which a folder of ready-made vectors has no file."""
    folder = config.encoder.vectors
    if folder is None or not files_of(folder, "images"):  # which is told first
        return []
    own = {"noun": config.nouns.source in _OWN, "caption": config.captions.source in _OWN}
    if lists_of(config.nouns) and files_of(folder, *TEXT_ROLES):
        own.pop("noun")  # any text may be a term's
    return [name for name, is_own in own.items() if is_own and not files_of(folder, f"{name}s")]


def read_texts(config: RunConfig) -> set[str]:
    """The corpora that the method fuses, or that its head or its partition reads."""
    fused = {"noun": config.nouns.fuse, "caption": config.captions.fuse}
    return {name for name, used in fused.items() if used} | _needed_texts(config)


def _needed_texts(config: RunConfig) -> set[str]:
    """The corpora without which a method is none; what it fuses may be absent."""
    joined = {"noun"} if config.partition.reads_nouns else set()
    return joined | set(config.head.reads.texts)


def contents(config: RunConfig) -> list[str | None]:
    """Hashes of what the modalities are made of, which may change under settings that do not."""
    return [_content(name, modality, config) for name, modality in further(config).items()]


def _content(name: str, modality: ModalityConfig, config: RunConfig) -> str | None:
    if modality.kind == "captions":
        return captioner_of(config.captioner.chosen).state()
    if modality.kind == "column":
        learnt = config.train if name in config.head.reads.modalities else None
        return column_content(learnt or config.source, modality.column or name)
    return vectors_content(str(modality.source))


def make_modalities(
    run: Run, images: Images, captions: Space | None, names: Sequence[str]
) -> dict[str, Artifact] | None:
    """Those of `names` that are modalities of `images` beyond the built-in ones; None: none is.

    `captions` is the captions corpus, where the run has one.
    """
    wanted = {name: each for name, each in further(run.config).items() if name in names}
    made = {name: _make(run, name, each, images, captions) for name, each in wanted.items()}
    return made or None


def _make(
    run: Run, name: str, modality: ModalityConfig, images: Images, captions: Space | None
) -> Artifact:
    role = f"view.{name}"
    if modality.kind == "vectors":
        return run.do(
            copy_modality,
            role,
            name=name,
            images=images.vectors,
            scan=images.scan,
            source=str(modality.source),
        )
    if modality.kind == "captions":
        texts = _captions(run, images, captions)
    else:
        texts = run.do(
            column_texts,
            f"{role}.texts",
            scan=images.scan,
            source=images.source,
            column=modality.column or name,
        )
    return run.do(
        embed_modality,
        role,
        name=name,
        images=images.vectors,
        texts=texts,
        encoder=run.config.encoder.model_copy(update={"spec": modality.encoder}),
        encoder_fingerprint=describe_text(modality.encoder).fingerprint,
    )


def _captions(run: Run, images: Images, captions: Space | None) -> Artifact:
    """A caption of every image: of what there is, the captioner is given what it needs."""
    given = needed(
        CaptionImagesInputs(
            config=run.config.captioner.chosen,
            images=images.vectors,
            source=images.source,
            scan=images.scan,
            reading=run.config.images,
            corpus=captions and captions.corpus,
            text_vectors=captions and captions.vectors,
        )
    )
    return run.do(caption_images, "image_captions", **vars(given))

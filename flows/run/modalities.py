"""Further views of a run's images: which of them its method reads, and the steps that make them."""

from typing import Any, NamedTuple, Protocol

from sortal.configs.errors import UsageError
from sortal.configs.modalities import BUILT_IN, ViewConfig
from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.captioning.step import caption_images, captioning, check_captioner
from sortal.tasks.encoders.registry import describe_text
from sortal.tasks.modalities.step import column_texts, copy_view, embed_view
from sortal.tasks.step import Step


class Do(Protocol):
    """What runs a step and notes its artifact under a role."""

    def __call__(self, step: Step, role: str | None = None, **arguments: Any) -> Artifact:
        """The step's artifact."""


def further(config: RunConfig) -> dict[str, ViewConfig]:
    """The configured views that the run's method reads; raises UsageError for one it lacks."""
    names = [name for name in config.head.reads.views if name not in BUILT_IN]
    lacking = [name for name in names if name not in config.views]
    if lacking:
        known = ", ".join([*BUILT_IN, *config.views])
        raise UsageError(
            f"head.{config.head.method}.views must name views of the run ({known}), got "
            f"{lacking[0]!r}; set views.{lacking[0]}.kind to column, captions or vectors"
        )
    return {name: config.views[name] for name in names}


def check_views(config: RunConfig) -> None:
    """Refuse views and texts that the method lacks, and encoders of texts that cannot be used."""
    for name, source in (("noun", config.nouns.source), ("caption", config.captions.source)):
        if source == "none" and name in config.head.reads.texts:
            raise UsageError(
                f"{name}s.source must not be none, since the method {config.method_name} reads "
                f"{name}s; take another source, or a method without them"
            )
    for view in further(config).values():
        if view.kind != "vectors":
            describe_text(view.encoder)
        if view.kind == "captions":
            check_captioner(config.captioner, config.captions)


class Seen(NamedTuple):
    """The images and their scan, and the captions corpus, where the run has one."""

    found: Artifact
    images: Artifact
    captions: Space | None


def make_views(do: Do, config: RunConfig, seen: Seen) -> dict[str, Artifact]:
    """The views that the method reads beyond the built-in ones, by name."""
    return {name: _made(do, name, view, config, seen) for name, view in further(config).items()}


def _made(do: Do, name: str, view: ViewConfig, config: RunConfig, seen: Seen) -> Artifact:
    about: dict[str, Any] = {"role": f"view.{name}", "name": name, "images": seen.images}
    if view.kind == "vectors":
        return do(copy_view, scan=seen.found, source=view.source, **about)
    return do(
        embed_view,
        texts=_texts(do, name, view, config, seen),
        encoder=config.encoder.model_copy(update={"spec": view.encoder}),
        encoder_fingerprint=describe_text(view.encoder).fingerprint,
        **about,
    )


def _texts(do: Do, name: str, view: ViewConfig, config: RunConfig, seen: Seen) -> Artifact:
    """An artifact with the text of every image."""
    if view.kind == "captions":
        about = captioning(
            config.captioner,
            scan=seen.found,
            images=seen.images,
            source=config.source,
            reading=config.images,
            corpus=seen.captions and seen.captions.corpus,
            text_vectors=seen.captions and seen.captions.vectors,
        )
        return do(caption_images, **about)
    column = {"source": config.source, "column": view.column or name}
    return do(column_texts, f"view.{name}.texts", scan=seen.found, **column)

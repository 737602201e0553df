"""Settings that were given and that have no part in a run, given the others: a line for each."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from sortal.configs.executor import LOCAL
from sortal.configs.presets import merge
from sortal.configs.remote import is_remote
from sortal.configs.schema import ImagesConfig, RunConfig

_OPTIONS = {  # what a person types for a setting
    "images.column": "--column", "images.label_column": "--label-column",
    "images.exclude": "--exclude", "images.include": "--include", "images.verify": "--verify",
    "nouns.vocabulary": "--vocabulary", "nouns.vocabulary_mode": "--vocabulary-mode",
    "captions.source": "--captions", "lineage.full": "--full",
}  # fmt: skip
_OF_IMAGES = (
    *(f"images.{name}" for name in ImagesConfig.model_fields if name != "label_column"),
    *(f"encoder.{name}" for name in ("device", "batch_size", "num_workers")),
    "encoder.precision", "encoder.compile",
)  # fmt: skip
_DECIDING = ("nouns.source", "captions.source", "naming.writer")  # say that others are not read
_EMPTY: tuple[Any, ...] = (None, (), [], {}, False)


def unused(config: RunConfig) -> dict[str, str]:
    """Each given setting that the run does without, by dotted name, with a line that says why."""
    why = {name: reason for name, reason in _reasons(config).items() if reason}
    off = [name for name in _off(config, "") if not _may_be_chosen(config, name)]
    lines: dict[str, str] = {}
    for name, value in _leaves(merge({}, config._given)):
        default = _default(name)
        if name in _DECIDING or value in _EMPTY or value == default:
            continue
        place = next((each for each in (*why, *off) if _is_within(name, each)), None)
        if place is not None:
            reason = why.get(place) or "by the other settings it is not read"
            lines[name] = f"{called(name)} has no effect: {reason}"
    return lines


def called(name: str) -> str:
    """A setting as a person gives it: by its option, where it has one."""
    return _OPTIONS.get(name, name)


def _reasons(config: RunConfig) -> dict[str, str | None]:
    """Settings and sections by dotted name, each with why it is not read, or None."""
    head, fusion = config.head, config.fusion
    no_texts = config.nouns.source == "none" and config.captions.source == "none"
    found: dict[str, str | None] = {
        "nouns.vocabulary_mode": _if(
            config.nouns.vocabulary is None, "there is no vocabulary (--vocabulary FILE)"
        ),
        "ray": _if(config.executor == LOCAL, "the executor is local (--executor ray)"),
        "images.remote": _if(not _is_far(config), "the source is on this machine"),
        "choose": _if(not config.choose.candidates, "the method has nothing to choose from"),
        "count": _if(not config.count.chosen, "the number of clusters is given (-k)"),
        "classes": _if(not config.classes.given, "classes.names is none"),
        "lineage": _if(not config.lineage.enabled, "lineage.enabled is false")
        or _if(config.train is not None, "a run with a train split stands alone"),
        "head": _if(head.method == "none", "the method has no head (head.method is none)"),
        "transport": _if(no_texts, "there are no texts (nouns.source and captions.source)"),
        "selection": _if(no_texts, "there are no texts (nouns.source and captions.source)"),
        "fusion.gamma": _if(fusion.weights == "equal", "fusion.weights is equal"),
        "fusion.image_weight": _if(fusion.weights == "adaptive", "fusion.weights is adaptive"),
        "naming.openai": _if(config.naming.model is None, "naming.writer is none"),
        "naming.min_written": _if(config.naming.model is None, "naming.writer is none"),
    }
    for name in ("nouns", "captions"):
        if getattr(config, name).source == "none":
            found[name] = f"{name}.source is none"
    for each in ("spectral", "density"):
        parted = config.partition.method
        found[f"partition.{each}"] = _if(parted != each, f"partition.method is {parted}")
    for each in ("tac", "sic", "mca", "glad", "sac", "turtle"):
        found[f"head.{each}"] = _if(head.method != each, f"head.method is {head.method}")
    found |= _of_modalities(config)
    if config.encoder.vectors:
        found |= dict.fromkeys(_OF_IMAGES, "ready-made vectors are taken as they are")
    return {name: why for name, why in found.items() if not _may_be_chosen(config, name)}


def _of_modalities(config: RunConfig) -> dict[str, str | None]:
    """Modalities that nothing reads, and captioners whose captions nothing does."""
    captioner, known = config.captioner, config.modalities
    read = {*config.fusion.modalities, *config.head.reads.modalities}
    found: dict[str, str | None] = {
        f"modalities.{name}": f"{config.method_name} does not read it; fusion.modalities (--method "
        "vic) and the heads of sac, glad and turtle do"
        for name in known
        if name not in read
    }
    asked = any(each.kind == "captions" for name, each in known.items() if name in read)
    found["captioner"] = _if(not asked, "nothing reads a caption of each image")
    for kind in ("nearest", "coca", "openai", "given"):
        other = _if(captioner.kind != kind, f"captioner.kind is {captioner.kind}")
        found[f"captioner.{kind}"] = other
    return found


def _may_be_chosen(config: RunConfig, name: str) -> bool:
    """Whether what is chosen once the images are known decides about a section."""
    return bool(config.choose.candidates) and name.split(".", maxsplit=1)[0] in ("head", "fusion")


def _if(condition: bool, reason: str) -> str | None:
    return reason if condition else None


def _is_far(config: RunConfig) -> bool:
    return any(is_remote(place) for place in (config.source, config.train) if place)


def _off(section: BaseModel, prefix: str) -> Iterator[str]:
    """What the sections themselves say they do not read, by dotted name."""
    unread = section.unread() if hasattr(section, "unread") else set()
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in unread:
            yield f"{prefix}{name}"
        elif isinstance(value, BaseModel):
            yield from _off(value, f"{prefix}{name}.")


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and prefix != "modalities.":
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _default(name: str) -> Any:
    """The default of a setting by its dotted name; None where it has none."""
    model: Any = RunConfig
    *sections, last = name.split(".")
    for part in sections:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = field.annotation if field else None
    field = model.model_fields.get(last) if hasattr(model, "model_fields") else None
    return field.get_default(call_default_factory=True) if field else None


def _is_within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")

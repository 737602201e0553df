"""From what a person typed to a checked configuration, with one clear line when it is wrong."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sortal.configs.errors import UsageError, nearest
from sortal.configs.presets import merge, with_present_names
from sortal.configs.schema import RunConfig

_OPTIONS = {  # what a person types for a setting
    "n_clusters": "-k", "random_state": "--seed", "encoder.spec": "--encoder",
    "captions.source": "--captions", "nouns.vocabulary": "--vocabulary", "by": "--by",
    "nouns.vocabulary_mode": "--vocabulary-mode",
}  # fmt: skip
M = TypeVar("M", bound=BaseModel)


def make_config(
    values: Mapping[str, Any], settings: Iterable[str] | Mapping[str, Any] = ()
) -> RunConfig:
    """Validate `values` with settings laid over them, over the method's preset.

    Settings are `key=value` as typed, or values by dotted key. Raises UsageError with key, value
    and rule in one line.
    """
    return checked(RunConfig, merge(with_present_names(values), _parse(settings)))


def checked(model: type[M], values: Mapping[str, Any]) -> M:
    """`values` as the config `model`; raises UsageError with key, value and rule in one line."""
    try:
        return model(**values)
    except ValidationError as error:
        raise UsageError(_explain(error.errors()[0], model)) from error


def _parse(settings: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    pairs = settings.items() if isinstance(settings, Mapping) else map(typed, settings)
    for key, value in pairs:
        out = merge(out, with_present_names(nested(str(key), value)))
    return out


def typed(setting: str) -> tuple[str, Any]:
    """Key and value of a `key=value` as typed; raises UsageError for anything else."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set takes key=value, such as transport.epsilon=0.02; got {setting!r}")
    return key, _value(text)


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def nested(key: str, value: Any) -> dict[str, Any]:
    """A value by its dotted key, as the sections that it lies in."""
    first, dot, rest = key.strip().partition(".")
    return {first: nested(rest, value) if dot else value}


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "config"
    if error["type"] == "extra_forbidden":
        return f"unknown setting {key}{_suggest(key, model)}"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, UsageError):
        return str(cause)
    called = f"{key} ({_OPTIONS[key]})" if key in _OPTIONS else key
    if error["type"] == "missing":
        return f"{called} must be given"
    if error["type"] in ("model_type", "model_attributes_type"):
        inside = next((name for name in setting_names(model) if name.startswith(f"{key}.")), None)
        such = f", such as {inside}," if inside else ""
        return f"{key} holds settings{such} and takes no value, got {error['input']!r}"
    rule = error["msg"].partition(", unable to parse")[0]
    rule = (
        rule.replace("Input should", " must", 1)
        if rule.startswith("Input should")
        else (f": {rule[0].lower()}{rule[1:]}")
    )
    return f"{called}{rule}, got {error['input']!r}"


def _suggest(key: str, model: type[BaseModel]) -> str:
    known = list(setting_names(model))
    close = [name for name in known if name.rpartition(".")[2] == key]  # typed without its section
    if close := close[:3] or get_close_matches(key, known, 1):
        return f"; did you mean {' or '.join(close)}?"
    every = "; --show-config prints all" if model is RunConfig else ""
    return f"; the nearest are {', '.join(nearest(key, known, known))}{every}"


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    """Dotted names of every setting of a config model, in order."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        inner = kind if isinstance(kind, type) and not get_args(kind) else None
        if inner is not None and issubclass(inner, BaseModel):
            yield from setting_names(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"

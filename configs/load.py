"""From what a person typed to a checked configuration, with one clear line when it is wrong."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sortal.configs.errors import UsageError
from sortal.configs.presets import merge
from sortal.configs.renamed import with_present_names
from sortal.configs.schema import RunConfig

M = TypeVar("M", bound=BaseModel)


def make_config(values: Mapping[str, Any], settings: Iterable[str] = ()) -> RunConfig:
    """Validate `values` with `key=value` settings laid over them, over the method's preset.

    Raises UsageError with key, value and rule in one line.
    """
    return checked(RunConfig, merge(with_present_names(values), _parse(settings)))


def checked(model: type[M], values: Mapping[str, Any]) -> M:
    """`values` as the config `model`; raises UsageError with key, value and rule in one line."""
    try:
        return model(**values)
    except ValidationError as error:
        raise UsageError(_explain(error.errors()[0], model)) from error


def _parse(settings: Iterable[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"--set takes key=value, such as transport.epsilon=0.02; got {setting!r}"
            )
        nested = _nested(key.strip().split("."), _value(text))
        out = merge(out, with_present_names(nested))
    return out


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if len(path) > 1 else value}


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "config"
    if error["type"] == "extra_forbidden":
        return f"unknown setting {key}{_suggest(key, model)}"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, UsageError):
        return str(cause)
    if error["type"] == "missing":
        return f"{key} is required"
    return f"{key}: {error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r}"


def _suggest(key: str, model: type[BaseModel]) -> str:
    known = list(setting_names(model))
    close = get_close_matches(key, known, 1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; settings begin with {', '.join(dict.fromkeys(n.split('.')[0] for n in known))}"


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    """Dotted names of every setting of a config model, in order."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        inner = kind if isinstance(kind, type) and not get_args(kind) else None
        if inner is not None and issubclass(inner, BaseModel):
            yield from setting_names(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"

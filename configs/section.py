"""What every section of the configuration is: frozen and strict."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SHARPEST = 1e-5  # the least temperature: beyond it float32 sees the nearest alone, then overflows


class Section(BaseModel):
    """A frozen section; unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def Runtime(default: Any, **rules: Any) -> Any:  # noqa: N802 - reads like pydantic's Field
    """A field that changes speed or memory, never the result; left out of fingerprints."""
    return Field(default, json_schema_extra={"runtime": True}, **rules)


def Renamed(default: Any, stored_as: str, **rules: Any) -> Any:  # noqa: N802
    """A field that fingerprints and the lake know by its former name, `stored_as`."""
    return Field(default, json_schema_extra={"stored_as": stored_as}, **rules)


def usual(model: BaseModel, *names: str) -> set[str]:
    """Those of these fields that have their defaults."""
    return {
        each for each in names if getattr(model, each) == type(model).model_fields[each].default
    }


def identity_of(model: BaseModel) -> dict[str, Any]:
    """The model as JSON-able values without its runtime and unread fields, to any depth.

    A model may say by `unread()` which fields say nothing, given the others. A `Renamed` field
    keeps its former name here, so that results made under that name stay valid.
    """
    out: dict[str, Any] = {}
    unread = model.unread() if hasattr(model, "unread") else ()
    for name, field in type(model).model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        if name not in unread and not extra.get("runtime"):
            out[str(extra.get("stored_as", name))] = _plain(getattr(model, name))
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return identity_of(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return str(value) if hasattr(value, "__fspath__") else value

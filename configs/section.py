"""What every section of the configuration is: frozen and strict."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen section; unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def Runtime(default: Any, **rules: Any) -> Any:  # noqa: N802 - reads like pydantic's Field
    """A field that changes speed or memory, never the result; left out of fingerprints."""
    return Field(default, json_schema_extra={"runtime": True}, **rules)


def identity_of(model: BaseModel) -> dict[str, Any]:
    """The model as JSON-able values without its runtime and unread fields, to any depth.

    A model may say by `unread()` which fields say nothing, given the others.
    """
    out: dict[str, Any] = {}
    unread = model.unread() if hasattr(model, "unread") else ()
    for name, field in type(model).model_fields.items():
        extra = field.json_schema_extra
        if name in unread or (isinstance(extra, dict) and extra.get("runtime")):
            continue
        out[name] = _plain(getattr(model, name))
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return identity_of(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return str(value) if hasattr(value, "__fspath__") else value

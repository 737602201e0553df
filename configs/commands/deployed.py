"""The few parameters of a deployment, as Prefect's form shows them, and the settings they mean.

A form submits every default: only what differs from its default lies over the method's preset.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from sortal.configs import WORKSPACE
from sortal.configs.errors import UsageError, expanded
from sortal.configs.load import make_config, nested
from sortal.configs.presets import merge
from sortal.configs.schema import RunConfig

SEED = 0
# parameter -> the setting that it is, and what a form gives where nobody has changed it
_PLACES: dict[str, tuple[str, Any]] = {
    "source": ("source", None),
    "n_clusters": ("n_clusters", None),
    "method": ("method", None),
    "encoder": ("encoder.spec", None),
    "captions": ("captions.source", None),
    "vocabulary": ("nouns.vocabulary", None),
    "by": ("by", None),
    "workspace": ("workspace", None),
    "collection": ("collection", None),
    "seed": ("random_state", SEED),
}
_UNSAID = (None, "")  # an emptied field of a form


def run_config(
    parameters: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    former: Mapping[str, Any] | None = None,
) -> RunConfig:
    """The run that a deployment's parameters say, with `settings` by dotted key laid over them.

    `former` is the one parameter `config` of deployments made before 2026-11-28, whose values lie
    over the others. Raises UsageError in one line.
    """
    values: dict[str, Any] = {"workspace": WORKSPACE}
    for name, (key, default) in _PLACES.items():
        value = parameters.get(name)
        if value not in _UNSAID and value != default:
            values = merge(values, nested(key, _at_home(value)))
    return make_config(merge(values, _said(former or {})), _checked(settings or {}))


def _at_home(value: Any) -> Any:
    """`value`, a path below `~` resolved: no shell has done that for a form."""
    return str(expanded(value)) if str(value).startswith("~/") else value


def _checked(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """`settings`; raises UsageError where one is a parameter: the form would say another run."""
    parameters = {key: name for name, (key, _) in _PLACES.items()}
    for key in _keys(settings):
        if key in parameters:
            raise UsageError(
                f"settings must hold other settings than those with a parameter, got {key!r}; "
                f"give the parameter {parameters[key]}"
            )
    return settings


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


def _said(former: Mapping[str, Any]) -> dict[str, Any]:
    """What the former nested parameter says: all of it, or, of a filled form, what was changed."""
    if len(former) <= len(RunConfig.model_fields) / 2:
        return dict(former)
    return _changed(former, RunConfig)


def _changed(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in values.items():
        field = model.model_fields.get(key)
        default = field.get_default(call_default_factory=True) if field else None
        if isinstance(default, BaseModel) and isinstance(value, Mapping):
            if changed := _changed(value, type(default)):
                out[key] = changed
        elif field is None or field.is_required() or value != _plain(default):
            out[key] = value
    return out


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if hasattr(value, "__fspath__") else value

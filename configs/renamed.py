"""Settings that had another name once: users' files and stored runs may still say it."""

from collections.abc import Mapping
from typing import Any

from sortal.configs.errors import UsageError

RENAMED = {
    "views": "modalities",
    "head.glad.views": "head.glad.modalities",
    "head.sac.view": "head.sac.modality",
}  # former -> present path of a setting; the field itself is `section.Renamed`


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of a run with the former names of `RENAMED` replaced.

    Raises UsageError where a setting is given under both names.
    """
    out = dict(values)
    for former, present in RENAMED.items():
        *sections, old = former.split(".")
        out = _renamed(out, sections, old, present)
    return out


def _renamed(values: dict[str, Any], sections: list[str], old: str, present: str) -> dict[str, Any]:
    """`values` with the key `old` of the section at `sections` renamed; others are not touched."""
    if sections:
        inner = values.get(sections[0])
        if not isinstance(inner, Mapping):
            return values
        return {**values, sections[0]: _renamed(dict(inner), sections[1:], old, present)}
    if old not in values:
        return values
    new = present.rpartition(".")[2]
    if new in values:
        raise UsageError(
            f"a setting must be given once, got {present} and its former name {old}; keep {present}"
        )
    return {new if name == old else name: value for name, value in values.items()}

"""What a caller of the Python API gives, checked: UsageError in one line for anything else."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sortal.configs import WORKSPACE, WORKSPACE_VARIABLE
from sortal.configs.errors import UsageError, expanded


def path_of(value: Any, name: str) -> Path:
    """A path that a caller gave as `name`, with `~` resolved."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise UsageError(f"{name} must be a path, got {value!r}")
    return expanded(value)


def workspace_of(value: Any) -> Path:
    """The workspace: the given one, that of SORTAL_WORKSPACE, or the default."""
    if value is None:
        value = os.environ.get(WORKSPACE_VARIABLE) or WORKSPACE
    return path_of(value, "workspace")


def text_of(value: Any, name: str) -> str:
    """A text that a caller gave as `name`."""
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name} must be a text, got {value!r}")
    return value


def parameters_of(value: Any) -> Sequence[Any] | Mapping[str, Any] | None:
    """Values for the parameters of a query."""
    if value is None or isinstance(value, Mapping):
        return value
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(
            f"parameters must be a list for `?` or a mapping for `$name`, got {value!r}"
        )
    return value

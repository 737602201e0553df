"""Sortal sorts growing image collections into named kinds, without labels, by meaning.

From Python: `run = sortal.cluster("photos", n_clusters=20)`, `sortal.open("workspace")`;
docs/python.md has more. Names are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

from sortal.tasks import shown as _shown  # noqa: F401 - from here on logs show names escaped

if TYPE_CHECKING:
    from sortal.configs.errors import RunError, UsageError
    from sortal.flows.api.cluster import cluster
    from sortal.flows.api.run import Run
    from sortal.flows.api.workspace import Workspace, open

__all__ = ["Run", "RunError", "UsageError", "Workspace", "cluster", "open"]

_HOMES = {
    "Run": "sortal.flows.api.run",
    "RunError": "sortal.configs.errors",
    "UsageError": "sortal.configs.errors",
    "Workspace": "sortal.flows.api.workspace",
    "cluster": "sortal.flows.api.cluster",
    "open": "sortal.flows.api.workspace",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sortal' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]

"""What killed processes left in a workspace: temporary files, and shards that never counted."""

from pathlib import Path

from sortal.storage.atomic import left_over, remove
from sortal.storage.workspace import Workspace

_PLACES = (
    "artifacts/*",
    "artifacts/*/*",
    "vectors",
    "vectors/*/*",
    "training/*",
    "scans",
    "lake",
    "prefect",
    "reports",
)


def sweep(workspace: Workspace) -> int:
    """Delete the temporary files and folders of processes that are gone; returns how many."""
    found = temporaries(workspace)
    for path in found:
        remove(path)
    return len(found)


def temporaries(workspace: Workspace) -> list[Path]:
    """The temporary files and folders of processes that are gone."""
    folders = [workspace.root, *(it for place in _PLACES for it in workspace.root.glob(place))]
    return [path for folder in folders if folder.is_dir() for path in left_over(folder)]

"""Temporary files that killed processes left in a workspace."""

from pathlib import Path

from sortal.storage.atomic import abandoned, remove
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
    "remote",
    "remote/files/*",
)


def remove_abandoned(workspace: Workspace) -> int:
    """Delete the temporary files and folders of processes that are gone; returns how many."""
    found = abandoned_files(workspace)
    for path in found:
        remove(path)
    return len(found)


def abandoned_files(workspace: Workspace) -> list[Path]:
    """The temporary files and folders of processes that are gone."""
    folders = [workspace.root, *(it for place in _PLACES for it in workspace.root.glob(place))]
    return [path for folder in folders if folder.is_dir() for path in abandoned(folder)]

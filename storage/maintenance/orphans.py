"""Orphans: artifacts that no run refers to, and Prefect's references to missing artifacts."""

import time
from pathlib import Path

from sortal.storage.artifacts import MANIFEST, read_manifest
from sortal.storage.atomic import TEMPORARY
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


_USED = "SELECT kind, fingerprint FROM artifacts UNION SELECT step, fingerprint FROM looked"


def used_artifacts(lake: Lake) -> tuple[set[str], set[tuple[str, str]]]:
    """The ids of all runs, and (kind, fingerprint) of the artifacts that they refer to."""
    runs = {run for (run,) in lake.execute("SELECT run_id FROM runs").fetchall()}
    return runs, set(lake.execute(_USED).fetchall())


def unused_artifacts(workspace: Workspace, lake: Lake, grace: float) -> list[Path]:
    """Artifacts that no run in the lake refers to, not used for `grace` seconds.

    A lake without a run says nothing about what is needed: then there are none.
    """
    runs, used = used_artifacts(lake)
    found = []
    for folder in sorted(workspace.artifacts.glob("*/*")) if runs else []:
        manifest = read_manifest(folder)
        if folder.name.startswith(TEMPORARY) or not _older(folder / MANIFEST, grace):
            continue
        facts = manifest["artifact"].get("facts", {}) if manifest else {}
        of_run = facts.get("run_id") in runs
        if not of_run and (folder.parent.name, folder.name) not in used:
            found.append(folder)
    return found


def stale_references(workspace: Workspace, grace: float) -> list[Path]:
    """Prefect's references to artifacts that are not there any more."""
    there = {folder.name for folder in workspace.artifacts.glob("*/*")}
    files = workspace.results.glob("*") if workspace.results.is_dir() else ()
    return [path for path in files if path.name not in there and _older(path, grace)]


def _older(path: Path, seconds: float) -> bool:
    try:
        return path.lstat().st_mtime < time.time() - seconds
    except OSError:  # an artifact without a manifest, or gone meanwhile
        return path.name == MANIFEST and _older(path.parent, seconds)

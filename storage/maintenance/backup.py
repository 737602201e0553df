"""Back-up: a consistent copy of a workspace, also while runs go on; again, it copies what is new.

The catalogue is copied first, as of one moment; every file it names is there already and is never
rewritten, so the files copied after it are all it needs. A copy is a workspace: restore is using
it, or copying it back.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from sortal.configs.errors import RunError, UsageError
from sortal.storage.atomic import TEMPORARY, atomic_file
from sortal.storage.lake.owner import MARKER, read_marker
from sortal.storage.workspace import Workspace

_PARTS = ("lake", "vectors", "artifacts", "scans", "reports")
_CATALOGUE = "catalog.sqlite"


def back_up(workspace: Workspace, target: Path) -> tuple[int, int]:
    """Copy what is new in `workspace` to the folder `target`; returns (files, bytes) copied.

    On a PostgreSQL catalogue the database is pg_dump's part, before this. Raises UsageError for
    a target inside the workspace, one that is no folder, or the back-up of another lake.
    """
    root, into = workspace.root.resolve(), target.resolve()
    if into.is_relative_to(root) or root.is_relative_to(into):
        raise UsageError(f"a back-up must lie outside the workspace {root}, got {target}")
    if into.exists() and not into.is_dir():
        raise UsageError(f"a back-up must be a folder, got {target}")
    _check_owner(root, into)
    copied = [_catalogue(root / "lake" / _CATALOGUE, into / "lake" / _CATALOGUE)]
    for file in _files(root):
        with suppress(FileNotFoundError):  # replaced meanwhile: the next back-up has it
            copied.append(_copy(file, into / file.relative_to(root)))
    return sum(1 for size in copied if size), sum(copied)


def _check_owner(root: Path, into: Path) -> None:
    for marker in root.glob(f"lake/*/{MARKER}"):
        place = into / marker.parent.relative_to(root)
        ours, theirs = read_marker(marker.parent), read_marker(place)
        if ours and theirs and ours.lake != theirs.lake:
            raise UsageError(
                f"a back-up belongs to one lake, and {into} is of {theirs}, not of {ours}; "
                "name another folder"
            )


def _files(root: Path) -> Iterator[Path]:
    for part in _PARTS:
        for folder, folders, names in os.walk(root / part):
            folders[:] = [name for name in folders if not name.startswith(TEMPORARY)]
            for name in sorted(names):
                if not name.startswith((TEMPORARY, _CATALOGUE, "leases.sqlite")):
                    yield Path(folder) / name


def _copy(file: Path, place: Path) -> int:
    if _is_copied(file, place):
        return 0
    with atomic_file(place) as fresh:
        shutil.copy2(file, fresh)
    return place.stat().st_size


def _is_copied(file: Path, place: Path) -> bool:
    try:
        had, has = place.stat(), file.stat()
    except OSError:
        return False
    return had.st_size == has.st_size and int(had.st_mtime) >= int(has.st_mtime)


def _catalogue(source: Path, place: Path) -> int:
    """Copy a SQLite database as of one moment, with what its write-ahead log holds."""
    if not source.exists():
        return 0
    with (
        atomic_file(place) as fresh,
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(fresh)) as new,
    ):
        try:
            old.backup(new)
        except sqlite3.Error as error:  # a full disk, a damaged catalogue
            raise RunError(
                f"the catalogue {source} must be sound, and {place.parent} have room for it, got: "
                f"{error}; mend that, and run the same command again"
            ) from error
    return place.stat().st_size

"""Files and folders that appear complete or not at all: temporary sibling, fsync, rename."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sortal.configs.errors import TransientError
from sortal.storage.faults import point
from sortal.storage.processes import Process, is_gone, this_process

TEMPORARY = ".tmp-"
_WEEK = 7 * 24 * 3600
_SEEN_WITHIN = 60.0  # seconds: a share's cache of names lasts 30 to 60
_LOOK = 0.2
_AT_ONCE = 8  # paths that are synced


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_all(paths: list[Path]) -> None:
    """Sync paths side by side: a disk commits those that wait at one time together."""
    with ThreadPoolExecutor(min(len(paths), _AT_ONCE), "sync") as pool:
        list(pool.map(_sync, paths))


def temporary(path: Path) -> Path:
    """A new sibling's name for `path` that says which process it belongs to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f"{TEMPORARY}{this_process()}-{uuid.uuid4().hex[:8]}-{path.name}"


def intended(fresh: Path) -> Path:
    """The path whose temporary sibling this is; any other path itself."""
    if not fresh.name.startswith(TEMPORARY):
        return fresh
    return fresh.with_name(fresh.name.removeprefix(TEMPORARY).split("-", 4)[4])


def abandoned(folder: Path) -> list[Path]:
    """Temporary files and folders straight in `folder` whose process is gone.

    Those of another machine count once they are a week old.
    """
    return [path for path in folder.glob(f"{TEMPORARY}*") if _is_abandoned(path)]


def _is_abandoned(path: Path) -> bool:
    owner = "-".join(path.name.removeprefix(TEMPORARY).split("-", 3)[:3])
    try:
        old = time.time() - path.stat().st_mtime > _WEEK
        return is_gone(Process.parse(owner)) or old
    except (OSError, ValueError):
        return False


def remove(path: Path) -> None:
    """Delete a file or a folder, whichever it is, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def wait_for(paths: Iterable[Path]) -> None:
    """Return once files that others have written are seen here: a share may show them later.

    Raises TransientError for one that is not within a minute.
    """
    end = time.monotonic() + _SEEN_WITHIN
    for path in paths:
        while not path.exists():
            if time.monotonic() > end:
                raise TransientError(
                    f"what a worker writes must be seen by the run, {path} is not after "
                    f"{_SEEN_WITHIN:g} s; is the workspace one folder on all machines?"
                )
            os.listdir(path.parent)  # noqa: PTH208 - makes a share look again
            time.sleep(_LOOK)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it is synced and renamed to `path`."""
    fresh = temporary(path)
    point("file.begun", path)
    try:
        yield fresh
        point("file.half", path, fresh)
        _sync(fresh)
        point("file.synced", path)
        fresh.replace(path)
        point("file.renamed", path)
        _sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; on success it is synced and takes the place of `path`."""
    fresh = temporary(path)
    fresh.mkdir()
    point("folder.begun", path)
    try:
        yield fresh
        _sync_all([fresh, *fresh.rglob("*")])
        point("folder.synced", path)
        _swap(fresh, path)
        point("folder.renamed", path)
        _sync(path.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def temporary_folder(sibling: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `sibling` that is deleted afterwards."""
    fresh = temporary(sibling)
    fresh.mkdir()
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Within the body no other process of this machine is in one of this folder, which is made."""
    import fcntl  # not on Windows

    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap(fresh: Path, path: Path) -> None:
    if path.exists():
        old = temporary(path)
        path.replace(old)
        point("folder.between", path)
        fresh.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        fresh.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_file(path) as fresh:
        fresh.write_text(_json(value), encoding="utf-8")


def put_json(path: Path, value: Any) -> None:
    """The same straight into its place, for a file of a folder that is not there yet."""
    path.write_text(_json(value), encoding="utf-8")
    point("file.half", path, path)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True)

"""Files and folders that appear whole or not at all: temporary sibling, fsync, rename."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp-"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it is synced and renamed to `path`."""
    temporary = _temporary(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; on success it is synced and takes the place of `path`."""
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        for item in temporary.rglob("*"):
            _sync(item)
        _sync(temporary)
        _swap(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, path: Path) -> None:
    if path.exists():
        old = _temporary(path)
        path.replace(old)
        temporary.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")

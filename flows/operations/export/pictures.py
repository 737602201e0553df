"""Where a picture's bytes are: a file of its own, which can be linked to, or inside an archive."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sortal.configs.errors import UsageError
from sortal.flows.operations.export.selection import Selection
from sortal.flows.operations.looks import source_of
from sortal.storage.atomic import temporary
from sortal.storage.hashing import hash_bytes
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.sources.members import reading_order
from sortal.tasks.sources.registry import open_source


class Pictures:
    """The pictures of a selection."""

    def __init__(self, selection: Selection) -> None:
        self._images = selection.run.config.images
        where = source_of(selection.workspace, selection.run)
        self._source = open_source(where, selection.workspace.root, self._images)
        if self._source.vectors is not None:
            raise UsageError(
                f"run {selection.run.run_id} has ready-made vectors and no pictures; "
                "export it --as csv, parquet, jsonl or coco"
            )
        place = Path(self._source.location)
        self._folder = place if place.is_dir() else None
        self._alone = place if place.is_file() else None

    def file(self, row: dict[str, Any]) -> Path | None:
        """The absolute path of a picture that is a file of its own here; None for all others."""
        if row["offset"] is not None or "://" in row["path"]:
            return None
        if self._alone is not None:
            return self._alone if self._alone.name == row["path"] else None
        return self._folder / row["path"] if self._folder else None

    def read(self, row: dict[str, Any]) -> bytes:
        """The bytes; raises ImageError for a picture that is gone or has changed since the run."""
        try:
            data = self._source.read(row["path"], row["offset"], row["bytes"])
        except OSError as error:
            raise ImageError(Code.UNREADABLE, error.strerror or "") from error
        if hash_bytes(data) != row["key"]:
            raise ImageError(Code.CHANGED)
        return data


def in_reading_order(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """`rows` as they are read fastest: an archive from its start to its end."""
    return iter(sorted(rows, key=lambda row: reading_order(row["path"], row["offset"])))


def write_new(target: Path, data: bytes) -> bool:
    """Write a file that appears whole or not at all; False where one of this name is there."""
    if os.path.lexists(target):
        return False
    fresh = temporary(target)
    try:
        fresh.write_bytes(data)
        os.link(fresh, target)  # fails where another came first, which a rename would replace
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if os.path.lexists(target):
            return False
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return True

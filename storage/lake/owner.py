"""A data folder belongs to one lake: a marker in it names the lake, every opening checks it.

Maintenance removes what its catalogue does not know; in another lake's folder that is everything.
"""

import json
import logging
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

import duckdb

from sortal.configs.errors import RunError, UsageError
from sortal.storage.atomic import temporary
from sortal.storage.lake.catalogue import DATA_VARIABLE, Catalogue
from sortal.storage.lake.sql import sql
from sortal.storage.objects.data_folder import BucketFolder

log = logging.getLogger("sortal")

MARKER = "sortal-lake.json"
_WRITTEN_WITHIN = 1.0  # seconds: a marker that is still torn was left by a process that was killed


class Owner(NamedTuple):
    """A lake: the id that its catalogue was made with, and where that catalogue is."""

    lake: str
    catalogue: str

    def __str__(self) -> str:
        return f"{self.catalogue} (lake {self.lake[:8]})"


Folder = Path | BucketFolder


def read_marker(folder: Folder) -> Owner | None:
    """The lake that a data folder belongs to; None where it has no marker, or a torn one.

    Raises RunError for a folder that may not be read.
    """
    try:
        found = json.loads(_text(folder) or "")
        return Owner(str(found["lake"]), str(found["catalogue"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    except OSError as error:
        raise RunError(f"the data folder {folder} must be readable: {error.strerror}") from error


def _text(folder: Folder) -> str | None:
    if isinstance(folder, BucketFolder):
        return folder.read(MARKER)
    return (folder / MARKER).read_text("utf-8")


def refuse_new_lake(catalogue: Catalogue, folder: Folder) -> NoReturn:
    """Raise UsageError: a folder that belongs to a lake cannot be the one of a new lake."""
    raise UsageError(
        f"the data folder {folder} belongs to {read_marker(folder)}, and {catalogue.name} holds no "
        f"lake yet; restore that catalogue from a back-up, or {_way_out(catalogue)}"
    )


def check_owner(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, folder: Folder, read_only: bool
) -> None:
    """Refuse a folder that is another lake's, or without this one's files; mark one without marker.

    `folder` is where the attached lake keeps its data files. Raises UsageError.
    """
    ours = Owner(lake_id(connection), catalogue.name)
    found = read_marker(folder)
    if found is None:
        _check_files(connection, catalogue, folder)
        found = _claim(folder, ours, read_only)
    if found.lake != ours.lake:
        raise UsageError(
            f"the data folder {folder} belongs to {found}, not to {ours}; {_way_out(catalogue)}"
        )


def lake_id(connection: duckdb.DuckDBPyConnection) -> str:
    """The id that DuckLake gave the lake's first schema: it is in dumps and copies, too."""
    return str((connection.execute(sql("owner/lake")).fetchone() or ("",))[0])


def _check_files(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, folder: Folder
) -> None:
    """A folder without a marker is the lake's if a file that the lake names is there.

    One without any data file is a new lake's, or of a workspace that has lost them, which `sortal
    verify` says; on PostgreSQL it is a share that is not mounted.
    """
    named = [path for (path,) in connection.execute(sql("owner/files")).fetchall()]
    knows_some, has_some = _files_in(folder, named)
    if knows_some:
        return
    if has_some:
        wrong = "which holds only files that this lake does not know"
    elif named and catalogue.is_postgres:
        wrong = "which has none"
    else:
        return
    raise UsageError(
        f"the data files of {catalogue.name} must be in {folder}, {wrong}; mount the folder "
        f"there, or {_way_out(catalogue)}"
    )


def _files_in(folder: Folder, named: list[str]) -> tuple[bool, bool]:
    """Whether a folder has any of the files that are named, and any Parquet file at all."""
    if isinstance(folder, BucketFolder):
        there = folder.sizes()
        return any(path in there for path in named), any(n.endswith(".parquet") for n in there)
    knows_some = any(os.access(folder / path, os.F_OK) for path in named)
    return knows_some, knows_some or next(folder.rglob("*.parquet"), None) is not None


def _claim(folder: Folder, ours: Owner, read_only: bool) -> Owner:
    """Mark a folder as the lake's, unless another does at this moment; whose it is now."""
    text = json.dumps({**ours._asdict(), "written_at": f"{datetime.now(UTC):%FT%TZ}"}, indent=1)
    if isinstance(folder, BucketFolder):
        folder.create(MARKER, text)
        return read_marker(folder) or ours
    try:
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            _write_once(folder / MARKER, text)
    except OSError as error:  # a folder that may only be read: nothing can be removed from it
        log.debug("no marker in %s: %s", folder, error)
    return _settled_marker(folder) or ours


def _settled_marker(folder: Path) -> Owner | None:
    """The marker, once another process that writes it at this moment has done so."""
    end = time.monotonic() + _WRITTEN_WITHIN
    while (found := read_marker(folder)) is None and (folder / MARKER).exists():
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return found


def _write_once(marker: Path, text: str) -> None:
    """Write the marker whole, unless there is one; a torn one, which names nobody, is replaced."""
    fresh = temporary(marker)
    try:
        fresh.write_text(text, "utf-8")
        if _settled_marker(marker.parent) is None and marker.exists():
            fresh.replace(marker)
        else:
            _link(fresh, marker, text)
    finally:
        fresh.unlink(missing_ok=True)


def _link(fresh: Path, marker: Path, text: str) -> None:
    try:
        os.link(fresh, marker)
    except FileExistsError:
        return
    except OSError:  # a share without hard links
        with suppress(FileExistsError), marker.open("x", encoding="utf-8") as file:
            file.write(text)


def _way_out(catalogue: Catalogue) -> str:
    if catalogue.is_postgres:
        return f"set {DATA_VARIABLE} to this lake's own folder, as this machine sees it"
    return "put this workspace's own folder in its place (or none, for a new lake)"

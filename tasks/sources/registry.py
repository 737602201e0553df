"""Which kind of source a path is: a folder, one image, tar files, Parquet, or vectors."""

import difflib
import os
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import ImageSource, is_image
from sortal.tasks.sources.folder import FolderSource, SingleFile
from sortal.tasks.sources.parquet import SUFFIX, ParquetSource
from sortal.tasks.sources.tar import TarSource
from sortal.tasks.sources.tar_folder import TarFolder
from sortal.tasks.sources.vectors import VectorsSource, vector_files


def open_source(source: str) -> ImageSource:
    """What is at `source`, in the first of these kinds that fits; raises UsageError."""
    if "://" in source:
        scheme = source.split("://", 1)[0]
        rule = "source must be a folder, tar or Parquet file on this machine"
        raise UsageError(f"{rule}, got a {scheme}:// address; copy it here first")
    named = Path(source).expanduser()
    if not named.exists():
        raise UsageError(f"source must exist, got {source!r}; {_suggestion(named)}")
    path = named.resolve()
    if path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            raise UsageError(f"source must be readable, got {source!r}; check its permissions")
        return _open_folder(path)
    if is_image(path.name):
        return SingleFile(path.parent, name=path.name)
    if named.suffix == SUFFIX:
        return ParquetSource.checked(path, named.name)
    return TarSource.checked(path)


def _open_folder(path: Path) -> ImageSource:
    folder = FolderSource(path)
    if any(is_image(entry.path) for entry in folder.entries()):
        return folder
    if vector_files(path):
        return VectorsSource(path)
    return ParquetSource.in_folder(path) or TarFolder.in_folder(path) or folder


def _suggestion(path: Path) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    close = difflib.get_close_matches(path.name, names, n=3)
    if close:
        return "did you mean " + " or ".join(repr(str(path.parent / name)) for name in close) + "?"
    return f"nothing in {str(path.parent)!r} has a similar name"

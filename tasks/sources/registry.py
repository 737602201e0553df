"""Which kind of source is at an address: the first whose opener can read it."""

import difflib
from collections.abc import Callable
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import Address, Source
from sortal.tasks.sources.folder import FolderSource, open_folder, open_image
from sortal.tasks.sources.parquet import open_parquet
from sortal.tasks.sources.tar import open_tar
from sortal.tasks.sources.tar_folder import open_tar_folder
from sortal.tasks.sources.vectors import open_vectors_folder

Opener = Callable[[Address], Source | None]

# In this order; `open_tar` is the last, as it raises for any other file.
OPENERS: tuple[Opener, ...] = (
    open_image,
    open_folder,
    open_vectors_folder,
    open_parquet,
    open_tar_folder,
    open_tar,
)


def open_source(source: str, without: Path | None = None) -> Source:
    """What is at `source`; raises UsageError where nothing can be read.

    Image files in the folder `without`, such as a workspace inside the source, are not listed.
    """
    address = Address(source, without.resolve() if without else None)
    if not address.is_remote and not address.path.exists():
        raise UsageError(f"source must exist, got {source!r}; {_suggestion(address.path)}")
    for opener in OPENERS:
        found = opener(address)
        if found is not None:
            return found
    if address.folder:  # a folder without images is refused once it is listed
        return FolderSource(address.folder, address.without)
    scheme = source.split("://", 1)[0]
    rule = "source must be a folder, tar or Parquet file on this machine"
    raise UsageError(f"{rule}, got a {scheme}:// address; copy it here first")


def _suggestion(path: Path) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    close = difflib.get_close_matches(path.name, names, n=3)
    if close:
        return "did you mean " + " or ".join(repr(str(path.parent / name)) for name in close) + "?"
    return f"nothing in {str(path.parent)!r} has a similar name"

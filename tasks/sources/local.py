"""Sources on this machine: a folder of anything, an archive, one image."""

import os
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.configs.remote import URLS
from sortal.tasks.errors import ImageError
from sortal.tasks.labels.files import TABLES
from sortal.tasks.places.local import LocalFile, LocalFolder
from sortal.tasks.sources.base import Address, is_image
from sortal.tasks.sources.collection import Collection
from sortal.tasks.sources.openers import FileOpener, kind_of_container


def open_folder(address: Address) -> Collection | None:
    """A folder; raises UsageError where it may not be listed."""
    folder = address.folder
    if folder is None:
        return None
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"source must be readable, got {address.text!r}; check its permissions")
    return Collection(LocalFolder(folder, address.without))


def open_file(address: Address) -> Collection | None:
    """One image, or one archive of any kind that is read; raises UsageError for other files."""
    file = address.file
    if file is None:
        return None
    if is_image(file.name):
        return Collection(LocalFile(file, file.name), alone=True)
    place = LocalFile(file, _name(address.path))
    try:
        kind_of_container(FileOpener.of(place, place.file(place.name)))
    except ImageError as error:
        rule = f"source must be a folder, an image or an archive, got {str(file)!r}"
        way_out = error.message
        if file.name.lower().removesuffix(".gz").endswith(TABLES):
            way_out = f"give a table of URLs as {URLS}{address.text}"
        raise UsageError(f"{rule}; {way_out}") from error
    return Collection(place, alone=True)


def _name(path: Path) -> str:
    """A link's own name, such as those of a cache whose files are called by their hashes."""
    return path.name or path.resolve().name

"""Sources on this machine: a folder of anything, an archive, one image."""

import os
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.configs.remote import URLS
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.labels.files import TABLES
from sortal.tasks.places.local import LocalFile, LocalFolder
from sortal.tasks.sources.base import Address, is_image
from sortal.tasks.sources.collection import Collection
from sortal.tasks.sources.kinds import Role, role_of
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
        raise UsageError(f"{rule}; {_way_out(error, address, file.name)}") from error
    return Collection(place, alone=True)


def _way_out(error: ImageError, address: Address, name: str) -> str:
    if error.code == Code.NOT_A_FILE:
        return "that is a pipe, socket or device"
    if error.code != Code.UNSUPPORTED_FORMAT:
        return error.message
    if name.lower().removesuffix(".gz").endswith(TABLES):
        return f"give a table of URLs as {URLS}{address.text}"
    return "unpack it, and give the folder" if role_of(name) == Role.REFUSED else error.message


def _name(path: Path) -> str:
    """A link's own name, such as those of a cache whose files are called by their hashes."""
    return path.name or path.resolve().name

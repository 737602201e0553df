"""Which kind of source is at an address: the first whose opener can read it."""

import difflib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from sortal.configs.errors import UsageError, expanded
from sortal.configs.remote import URLS, with_secrets, without_secrets
from sortal.configs.schema import ImagesConfig
from sortal.tasks.sources.base import Address, Source
from sortal.tasks.sources.local import open_file, open_folder
from sortal.tasks.sources.remote import open_remote
from sortal.tasks.sources.vectors import open_vectors_folder

Opener = Callable[[Address], Source | None]

# In this order. An opener of remote places stands before those of this machine.
OPENERS: tuple[Opener, ...] = (open_remote, open_vectors_folder, open_folder, open_file)


def open_source(
    source: str, workspace: Path | None = None, config: ImagesConfig | None = None
) -> Source:
    """What is at `source`; raises UsageError where nothing can be read.

    What lies in the folder `workspace` inside the source is not listed; what is fetched over a
    network is kept there. How it is fetched is set by `config`. Without them, a remote source is
    opened as it was opened with them last in this process.
    """
    text = without_secrets(source)
    address = Address(text, workspace.resolve() if workspace else None, config)
    if address.is_remote:
        _require_host(text.removeprefix(URLS))
    elif not _exists(address):
        raise UsageError(f"source must exist, got {source!r}; {_suggestion(address.path)}")
    for opener in OPENERS:
        found = opener(address)
        if found is not None:
            return found
    raise AssertionError("the last opener raises for what it cannot read")


def from_anywhere(source: str) -> str:
    """`source` as a process elsewhere opens it: an absolute path, or a URL with its secrets."""
    if "://" in source:
        return with_secrets(source)
    kind = URLS if source.startswith(URLS) else ""
    return kind + str(expanded(source.removeprefix(kind)).absolute())


def _exists(address: Address) -> bool:
    try:
        return address.path.exists()
    except OSError as error:  # no permission, or a name that no disk takes
        raise UsageError(
            f"source must be a path that can be looked at, got {address.text!r}: {error.strerror}; "
            "check it, and the permissions of the folders above it"
        ) from error


def _require_host(url: str) -> None:
    """Refuse a URL that says nothing about where to look."""
    if "://" not in url:
        return
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:  # a port of 99999, half an IPv6 address
        port_is_right = False
    if not port_is_right or not (parts.netloc or parts.scheme == "file"):
        raise UsageError(
            "a URL must name a bucket or a server, such as s3://photos/2024 or https://host/a.tar, "
            f"got {url!r}"
        )


def _suggestion(path: Path) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    close = difflib.get_close_matches(path.name, names, n=3)
    if close:
        return "did you mean " + " or ".join(repr(str(path.parent / name)) for name in close) + "?"
    return f"nothing in {str(path.parent)!r} has a similar name"

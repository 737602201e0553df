"""Which kind of source is at an address: the first whose opener can read it."""

import difflib
from collections.abc import Callable
from pathlib import Path

from sortal.configs.errors import UsageError
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
    if not address.is_remote and not address.path.exists():
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
    return kind + str(Path(source.removeprefix(kind)).expanduser().absolute())


def _suggestion(path: Path) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    close = difflib.get_close_matches(path.name, names, n=3)
    if close:
        return "did you mean " + " or ".join(repr(str(path.parent / name)) for name in close) + "?"
    return f"nothing in {str(path.parent)!r} has a similar name"

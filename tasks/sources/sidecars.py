"""Sidecars: texts beside the images of an archive, as webdataset and img2dataset write them.

`a/12.jpg` has its label in `a/12.cls`, its caption in `a/12.txt`, and facts in `a/12.json`.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import printable

_LABEL, _FACTS = ".cls", ".json"
_LOOKED_AT = 100  # members of an archive: texts lie next to their image
Reader = Callable[[bytes], str | None]


class Archive(Protocol):
    """A container file whose members have names, images and texts among them."""

    def texts(
        self, endings: Collection[str], first: int | None = None
    ) -> Iterator[tuple[str, bytes | None]]:
        """Names of members: of images with None, of those that end so (`.txt`) with their bytes.

        With `first`, of so many members alone.
        """


# Each archive with what the paths of its images begin with.
Archives = Iterable[tuple[str, Archive]]


def sidecar_labels(archives: Archives) -> dict[str, str | None] | None:
    """Image's path -> text of its `.cls`; None where no archive begins with such members."""
    found: dict[str, str | None] = {}
    for prefix, archive in archives:
        if any(data is not None for _, data in archive.texts([_LABEL], first=_LOOKED_AT)):
            found.update(_by_image(prefix, archive, {_LABEL: _text}))
    return found or None


def sidecar_column(archives: Archives, column: str, location: Path) -> dict[str, str | None]:
    """Image's path -> its text of this ending (`txt`), else this key of its `.json`.

    Raises UsageError where no image has one.
    """
    readers: dict[str, Reader] = {_FACTS: partial(_key, key=column), f".{column}": _text}
    found: dict[str, str | None] = {}
    for prefix, archive in archives:
        found.update(_by_image(prefix, archive, readers))
    if not any(found.values()):
        raise UsageError(
            f"a modality of the column {column!r} needs a metadata file at the top of a tar, or "
            f"beside its images texts that end in .{column} or .json with this key, got none in "
            f"{str(location)!r}; name another column, or txt for captions"
        )
    return found


def _by_image(
    prefix: str, archive: Archive, readers: dict[str, Reader]
) -> Iterator[tuple[str, str | None]]:
    """(image's path, text) of the images that have one; later endings of `readers` go first."""
    images: list[str] = []
    texts: dict[str, dict[str, str | None]] = {ending: {} for ending in readers}
    for name, data in archive.texts(readers):
        if data is None:
            images.append(name)
        else:
            ending = next(each for each in readers if name.endswith(each))
            texts[ending][name.removesuffix(ending)] = readers[ending](data)
    for image in images:
        stem = image.rpartition(".")[0]
        found = [of_ending[stem] for of_ending in texts.values() if stem in of_ending]
        if found:
            yield prefix + image, next(filter(None, reversed(found)), None)


def _text(data: bytes) -> str | None:
    return printable(data.decode("utf-8-sig", "replace").strip())[0] or None


def _key(data: bytes, key: str) -> str | None:
    try:
        facts: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    value = facts.get(key) if isinstance(facts, dict) else None
    return None if value is None else printable(str(value).strip())[0] or None

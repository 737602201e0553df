"""Texts beside the images of a tar, as webdataset and img2dataset write them.

`a/12.jpg` has its label in `a/12.cls`, its caption in `a/12.txt`, and facts in `a/12.json`.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import printable
from sortal.tasks.sources.tar import TarSource
from sortal.tasks.sources.tar_folder import TarFolder

_LABEL, _FACTS = ".cls", ".json"
_LOOKED_AT = 100  # members of an archive: texts lie next to their image
Tars = TarSource | TarFolder
Reader = Callable[[bytes], str | None]


def labels_beside(source: Tars) -> dict[str, str | None] | None:
    """Image's path -> text of its `.cls`; None where no archive begins with such members."""
    found: dict[str, str | None] = {}
    for prefix, archive in _archives(source):
        if any(data is not None for _, data in archive.texts([_LABEL], first=_LOOKED_AT)):
            found.update(_by_image(prefix, archive, {_LABEL: _text}))
    return found or None


def column_beside(source: Tars, column: str) -> dict[str, str | None]:
    """Image's path -> its text of this ending (`txt`), else this key of its `.json`.

    Raises UsageError where no image has one.
    """
    readers: dict[str, Reader] = {_FACTS: partial(_key, key=column), f".{column}": _text}
    found: dict[str, str | None] = {}
    for prefix, archive in _archives(source):
        found.update(_by_image(prefix, archive, readers))
    if not any(found.values()):
        raise UsageError(
            f"a view of the column {column!r} needs a metadata file at the top of a tar, or beside "
            f"its images texts that end in .{column} or .json with this key, got none in "
            f"{str(source.location)!r}; name another column, or txt for captions"
        )
    return found


def _archives(source: Tars) -> Iterator[tuple[str, TarSource]]:
    """The archives that can be read, and what their images' paths begin with."""
    if isinstance(source, TarSource):
        yield "", source
    else:
        yield from source.archives()


def _by_image(
    prefix: str, archive: TarSource, readers: dict[str, Reader]
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

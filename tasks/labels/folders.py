"""Classes and splits by folders: `train/cat/1.jpg` is a cat of the split train.

Loose files are one unit, and so is each container: folders around a container are no classes.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.tasks.labels.formats.meaning import split_of_file, split_of_folder

_TABLE = "parquet|parq|pq|feather|arrow|ipc"
_ARCHIVE = r"tar(?:\.[a-z0-9]+)?|tgz|tbz2?|txz|tzst|zip"
_CONTAINER = rf"(?i)^(.*\.(?:{_ARCHIVE}|{_TABLE})/)?"
_ROW = rf"(?i)(\.(?:{_TABLE})/)\d[^/]*/?[^/]*$"
_NEUTRAL = frozenset({
    "image", "images", "img", "imgs", "data", "photo", "photos", "picture", "pictures", "jpg",
    "jpeg", "png",
})  # fmt: skip
_CHUNK = 1 << 17  # paths taken apart at a time
_DEEPEST = 6  # levels at which splits are looked for


class Folders(NamedTuple):
    """What folders say, one a row: the class (or null), the split (or null), and two numbers.

    `unit` is that of the container, or of all loose files. A `group` of rows, a split of a unit,
    has labels only where every image of it lies in a class folder.
    """

    label: pa.Array
    split: pa.Array
    group: NDArray[np.int64]
    unit: NDArray[np.int64]


class Place(NamedTuple):
    """Where a file lies: the container it is in, and its folders there.

    The container is None for loose files, "" where the source itself is one.
    """

    container: str | None
    folders: tuple[str, ...]


def read_folders(paths: pa.Array, in_container: pa.Array) -> Folders:
    """The classes and splits of listed paths. `in_container`: whether each is a member of one.

    In a container the one top folder that holds everything is no class: it is its own.
    """
    pieces = [
        _homes(paths.slice(start, _CHUNK), in_container.slice(start, _CHUNK))
        for start in range(0, len(paths), _CHUNK)
    ]
    homes = pa.concat_arrays([pa.array([], pa.string()), *pieces]).dictionary_encode()
    places = [_place(home) for home in homes.dictionary.to_pylist()]
    found = dict(_read(places))
    rows = [found[place] for place in places]
    take = homes.indices.to_numpy(zero_copy_only=False)
    return Folders(
        pa.array([row.label for row in rows], pa.string()).take(homes.indices),
        pa.array([row.split for row in rows], pa.string()).take(homes.indices),
        _numbered([row.group for row in rows])[take],
        _numbered([place.container for place in places])[take],
    )


def _numbered(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each key, equal ones alike."""
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def _homes(paths: pa.Array, in_container: pa.Array) -> pa.Array:
    """`container` + NUL + folder of each path, no NUL for loose files; rows have no folder."""
    if not pc.any(in_container).as_py():
        return pc.replace_substring_regex(paths, r"/?[^/]*$", "")
    inner = pc.replace_substring_regex(paths, _ROW, r"\1")
    marked = pc.replace_substring_regex(inner, _CONTAINER, "\\1\0")
    homes = pc.if_else(in_container, marked, paths)
    return pc.replace_substring_regex(homes, r"/?[^/\x00]*$", "")


def _place(home: str) -> Place:
    container, inside, folder = home.rpartition("\0")
    parts = tuple(part for part in folder.split("/") if part)
    return Place(container if inside else None, parts)


class _Row(NamedTuple):
    label: str | None
    split: str | None
    group: tuple[str | None, str | None]


def _read(places: list[Place]) -> Iterable[tuple[Place, _Row]]:
    units: dict[str | None, list[Place]] = {}
    for place in places:
        units.setdefault(place.container, []).append(place)
    tops = {container: {place.folders[:1] for place in unit} for container, unit in units.items()}
    classes = set().union(*(found for found in tops.values() if len(found) > 1))
    for container, unit in units.items():
        own = tops[container]
        is_own = container is not None and len(own) == 1 and not own & {(), *classes}
        yield from _read_unit(container, unit, int(is_own))


def _read_unit(container: str | None, unit: list[Place], top: int) -> Iterable[tuple[Place, _Row]]:
    """The classes of a unit are its folders, or those below `top` levels and those of splits."""
    around = _split_around(container or "")
    folders = [place.folders for place in unit]
    depth = _split_level(folders)
    if depth is None:
        for place in unit:
            label = place.folders[top] if len(place.folders) > top else None
            yield place, _Row(label, around, (container, None))
        return
    below = _class_level(folders, depth)
    for place in unit:
        split = split_of_folder(place.folders[depth]) if len(place.folders) > depth else None
        label = _class(place.folders, depth, below)
        yield place, _Row(label, split or around, (container, split))


def _split_around(container: str) -> str | None:
    """The split that a container's name, or a folder around it, means."""
    *folders, name = container.strip("/").split("/")
    named = [split_of_file(name), *(split_of_folder(folder) for folder in reversed(folders))]
    return next((split for split in named if split), None)


def _split_level(folders: list[tuple[str, ...]]) -> int | None:
    """The level whose folders are splits: all of them, or two kinds that are most of them."""
    for depth in range(_DEEPEST):
        names = {each[depth] for each in folders if len(each) > depth}
        splits = {name: split_of_folder(name) for name in names}
        kinds = {split for split in splits.values() if split}
        rest = [name for name, split in splits.items() if not split]
        if kinds and (not rest or (len(kinds) > 1 and len(rest) <= len(names) - len(rest))):
            return depth
    return None


def _class_level(folders: list[tuple[str, ...]], split: int) -> int | None:
    """The level of classes: below the splits; where nothing is there, above them; None: neither.

    `train/images/cat/1.jpg` has a level between that says nothing.
    """
    level = split + 1
    while True:
        names = {each[level] for each in folders if len(each) > level}
        if not names:
            break
        if len(names) > 1 or next(iter(names)).lower() not in _NEUTRAL:
            return level
        level += 1
    above = {each[split - 1] for each in folders if 0 < split < len(each)}
    return split - 1 if len(above) > 1 else None


def _class(folders: tuple[str, ...], split: int, level: int | None) -> str | None:
    if level is None or len(folders) <= max(level, split):
        return None
    return folders[level]


def settled(label: pa.Array, group: NDArray[np.int64], is_image: pa.Array) -> pa.Array:
    """The classes by folder: null in groups of which an image lies in no class folder.

    One folder alone is where the images are, and no class.
    """
    loose = pc.and_(is_image, pc.is_null(label)).to_numpy(zero_copy_only=False)
    without = np.isin(group, np.unique(group[loose]))
    kept = pc.if_else(pa.array(without), pa.scalar(None, pa.string()), label)
    is_one = pc.count_distinct(kept, mode="only_valid").as_py() == 1
    return pa.nulls(len(kept), pa.string()) if is_one else kept

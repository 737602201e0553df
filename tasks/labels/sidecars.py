"""Sidecars: texts beside images, as webdataset and img2dataset write them.

`a/12.jpg` has its label in `a/12.cls`, `a/12.index`, `a/12.json` or `a/12.txt`, and its caption in
one of the last two. A key ends at the first dot of a name, so `12.left.jpg` shares them.
"""

import json
from collections.abc import Callable, Iterator
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.tasks.errors import ImageError
from sortal.tasks.file_names import printable
from sortal.tasks.labels.base import Read
from sortal.tasks.labels.formats.encoding import decode
from sortal.tasks.labels.formats.meaning import NAMED_LABELS, folded
from sortal.tasks.labels.formats.values import as_text

_ENDINGS = (".cls", ".index", ".json", ".txt")  # in this order
_FACTS = ".json"
_MOST = 1 << 20  # bytes of a text; larger ones are ignored
_SAMPLE = 100  # texts that show whether those of an ending hold labels
_CHUNK = 65_536
Parse = Callable[[bytes], str | None]  # raises ValueError for a text that is broken
Lost = dict[str, list[tuple[str, str]]]  # by ending: (path, why) of texts that give no label


class Kind(NamedTuple):
    """The sidecars of one ending: `rows` of the texts, and for each image which of them, or -1."""

    ending: str
    rows: NDArray[np.int64]
    of_image: NDArray[np.int64]


def sidecars(images: pa.Array, texts: pa.Table, endings: tuple[str, ...]) -> list[Kind]:
    """The texts beside images, by their endings; an ending that no image has is left out."""
    found = []
    for ending in endings:
        rows, names = _of_ending(texts, ending)
        if not len(rows):
            continue
        keys = _keys(images)
        of_image = np.full(len(images), -1, dtype=np.int64)
        for key in keys:
            left = np.flatnonzero(of_image < 0)
            place = pc.fill_null(pc.index_in(key.take(pa.array(left)), value_set=names), -1)
            of_image[left] = place.to_numpy(zero_copy_only=False)
        if (of_image >= 0).any():
            found.append(Kind(ending, rows, of_image))
    return found


class Beside(NamedTuple):
    """A label an image (string), None where none has one; whether the user's column gave one.

    `warnings` has one for each ending of which some texts are broken, empty or too large.
    """

    label: pa.Array | None
    by_column: bool
    warnings: list[str]


def sidecar_labels(
    images: pa.Array, texts: pa.Table, read: Read, column: str | None = None
) -> Beside:
    """The label of each image by the first ending that gives one."""
    label: pa.Array | None = None
    by_column = False
    lost: Lost = {}
    for kind in sidecars(images, texts, (*_own(column), *_ENDINGS)):
        parse = _parser(kind, texts, read, column)
        if parse is not None:
            values = _values(kind, texts, read, parse, lost)
            label = values if label is None else pc.coalesce(label, values)
            says = kind.ending in (_FACTS, f".{column.lower()}") if column else False
            by_column |= says and values.null_count < len(values)
    _add_large(images, texts, lost)
    found = None if label is None or label.null_count == len(label) else label
    return Beside(found, by_column, [told(*each) for each in sorted(lost.items())])


def sidecar_texts(images: pa.Array, texts: pa.Table, read: Read, column: str) -> pa.Array | None:
    """A text for each image: of the ending `column` (`txt`), else of this key of its `.json`."""
    found: pa.Array | None = None
    ending = f".{column.lower()}"
    for kind in sidecars(images, texts, tuple(dict.fromkeys((ending, _FACTS)))):
        parse: Parse = text_of if kind.ending == ending else _by_key(column)
        values = _values(kind, texts, read, parse)
        found = values if found is None else pc.coalesce(found, values)
    return found


def used_rows(images: pa.Array, texts: pa.Table) -> NDArray[np.bool_]:
    """Which of the texts lie beside an image, and so are no tables. Shape (n_texts,)."""
    used = np.zeros(texts.num_rows, dtype=bool)
    for ending in _ENDINGS:
        rows, names = _of_ending(texts, ending)
        for key in _keys(images) if len(rows) else ():
            used[rows] |= pc.is_in(names, value_set=key).to_numpy(zero_copy_only=False)
    return used


def _own(column: str | None) -> tuple[str, ...]:
    return (f".{column.lower()}",) if column and f".{column.lower()}" not in _ENDINGS else ()


def _keys(images: pa.Array) -> list[pa.Array]:
    """What a sidecar's name without its ending may be: of each image, the nearest first."""
    return [
        pc.replace_substring_regex(images, r"\.[^./]*$", ""),  # 12.left
        pc.replace_substring_regex(images, r"\.[^/]*$", ""),  # 12
        images,  # 12.left.jpg
    ]


def _of_ending(texts: pa.Table, ending: str) -> tuple[NDArray[np.int64], pa.Array]:
    paths = texts["path"]
    chosen = pc.and_(
        pc.ends_with(paths, ending, ignore_case=True), pc.less_equal(texts["bytes"], _MOST)
    )
    rows = np.flatnonzero(chosen.to_numpy())
    names = pc.utf8_slice_codeunits(paths.take(pa.array(rows)), 0, -len(ending))
    return rows, names.combine_chunks()


def _add_large(images: pa.Array, texts: pa.Table, lost: Lost) -> None:
    """Add what lies beside an image and is too large to be looked at."""
    large = texts.filter(pc.greater(texts["bytes"], _MOST))
    for ending in _ENDINGS if large.num_rows else ():
        paths = [path for path in large["path"].to_pylist() if path.lower().endswith(ending)]
        names = pa.array([path[: -len(ending)] for path in paths], pa.string())
        for key in _keys(images) if paths else ():
            found = pc.is_in(names, value_set=key).to_pylist()
            why = f"it has more than {_MOST:,} bytes"
            lost.setdefault(ending, []).extend(
                (path, why) for path, beside in zip(paths, found, strict=True) if beside
            )
            paths = [path for path, beside in zip(paths, found, strict=True) if not beside]
            names = pa.array([path[: -len(ending)] for path in paths], pa.string())


def told(ending: str, lost: list[tuple[str, str]]) -> str:
    """The warning of texts of an ending that give no label, with the first of them and why."""
    path, why = lost[0]
    if len(lost) == 1:
        return f"{path} beside an image gives no label: {why}; mend or delete it"
    return f"{len(lost):,} {ending} beside images give no label, such as {path}: {why}"


def _parser(kind: Kind, texts: pa.Table, read: Read, column: str | None) -> Parse | None:
    """How to read a label from texts of this ending; None where a sample says they hold none.

    Where they hold none and some of the sample are broken, what tells those that are.
    """
    wanted = np.unique(kind.of_image[kind.of_image >= 0])
    step = max(1, len(wanted) // _SAMPLE)
    found = [data for _, data in _contents(kind.rows[wanted[::step][:_SAMPLE]], texts, read)]
    sample = [data for data in found if isinstance(data, bytes)]
    if kind.ending == _FACTS:
        key = column or _label_key(sample)
        return _by_key(key) if key else _checker(_json, found)
    if kind.ending == ".txt" and not are_classes([text_of(data) for data in sample]):
        return _checker(decode, found)
    return _first_line if kind.ending in (".cls", ".index") else _whole_text


def _checker(check: Callable[[bytes], Any], sample: list[bytes | ImageError]) -> Parse | None:
    """Reads no label, and raises ValueError for what is broken; None where none of a sample is."""

    def parse(data: bytes) -> None:
        check(data)

    def is_broken(data: bytes | ImageError) -> bool:
        try:
            check(data) if isinstance(data, bytes) else None
        except ValueError:
            return True
        return isinstance(data, ImageError)

    return parse if any(map(is_broken, sample)) else None


def are_classes(texts: list[str | None]) -> bool:
    """Whether texts are classes and no captions: numbers, or one or two words that come again."""
    filled = [text for text in texts if text]
    if not filled:
        return False
    if all(text.isdigit() for text in filled):
        return True
    short = all(len(text.split()) <= 2 and len(text) <= 40 for text in filled)
    most = len(filled) // 2 if len(filled) >= _SAMPLE // 2 else len(filled) - 1
    return short and len(set(filled)) <= most


def _label_key(sample: list[bytes]) -> str | None:
    """The key of the facts that means a label, as most of them have it."""
    names = [str(name) for data in sample for name in _facts(data)]
    plain = {folded(name): name for name in names}
    return next((plain[meaning] for meaning in NAMED_LABELS if meaning in plain), None)


def _values(
    kind: Kind, texts: pa.Table, read: Read, parse: Parse, lost: Lost | None = None
) -> pa.Array:
    """The parsed text of each image; each file is read once, in the order of the listing.

    Those that cannot be read or parsed are added to `lost`.
    """
    broken: list[tuple[str, str]] = []

    def parsed(path: str, data: bytes | ImageError) -> str | None:
        try:
            if isinstance(data, ImageError):
                raise ValueError(f"it cannot be read ({data.message})")
            return parse(data)
        except ValueError as error:
            broken.append((path, str(error)))
            return None

    wanted, back = np.unique(kind.of_image, return_inverse=True)
    there = wanted[wanted >= 0]
    pieces = []
    for start in range(0, len(there), _CHUNK):
        rows = kind.rows[there[start : start + _CHUNK]]
        pieces.append(pa.array(starmap(parsed, _contents(rows, texts, read)), pa.string()))
    if broken and lost is not None:
        lost.setdefault(kind.ending, []).extend(broken)
    head = pa.nulls(len(wanted) - len(there), pa.string())
    return pa.concat_arrays([head, *pieces]).take(pa.array(back))


def _contents(
    rows: NDArray[np.int64], texts: pa.Table, read: Read
) -> Iterator[tuple[str, bytes | ImageError]]:
    """The paths of texts and their bytes, or why they cannot be read."""
    chosen = texts.select(["path", "offset", "bytes"]).take(pa.array(rows))
    for path, offset, size in zip(*(column.to_pylist() for column in chosen.columns), strict=True):
        try:
            yield path, read(path, offset, size)
        except ImageError as error:
            yield path, error


def text_of(data: bytes) -> str | None:
    """A text without blanks around it; None where nothing is left."""
    try:
        return printable(decode(data).strip())[0] or None
    except ValueError:
        return printable(data.decode("utf-8", "replace").strip())[0] or None


def _whole_text(data: bytes) -> str:
    """The text that is a label; raises ValueError where there is none."""
    text = printable(decode(data).strip())[0]
    if not text:
        raise ValueError("it is empty")
    return text


def _first_line(data: bytes) -> str | None:
    return _whole_text(data).split("\n")[0].strip() or None


def _by_key(key: str) -> Parse:
    def parse(data: bytes) -> str | None:
        facts = _json(data)
        if not isinstance(facts, dict):
            raise ValueError("it is no JSON object")
        value = facts.get(key)
        if value is None:
            value = next((facts[name] for name in facts if folded(name) == folded(key)), None)
        text = as_text(value)
        return text.strip() or None if text else None

    return parse


def _facts(data: bytes) -> dict[str, Any]:
    try:
        facts = _json(data)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _json(data: bytes) -> Any:
    """The value that a text is; raises ValueError for what is no JSON."""
    if not data.strip():
        raise ValueError("it is empty")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({' '.join(str(error).split())[:120]})") from error

"""Collections of a benchmark: any labelled source, and named ones that are made on first use.

A named collection lies in the workspace's `collections/<name>/`: class folders under `train/` and
`test/`, and `metadata.csv` with every file's label, size and hash, written last.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError, expanded
from sortal.configs.remote import name_of
from sortal.storage.atomic import atomic_file, temporary
from sortal.storage.hashing import hash_bytes
from sortal.storage.workspace import Workspace
from sortal.tasks.datasets import imagenet, openmoji, torchvision_sets
from sortal.tasks.labels.files import METADATA
from sortal.tasks.progress import progress
from sortal.tasks.sources.registry import open_source

_LIST = METADATA[0]
_COLUMNS = ("file_name", "label", "bytes", "hash")
SPLITS = ("train", "test")

# A split's name -> its images: how many, and one by one (label, file extension, bytes).
Images = tuple[int, Iterator[tuple[str, str, bytes]]]
Read = Callable[[str], Images]


class Collection(NamedTuple):
    """A labelled source, its train split where it has one, and the encoder it is bound to."""

    name: str
    source: str
    train: str | None = None
    encoder: str | None = None


def find_collection(
    text: str, workspace: Workspace, imagenet_folder: Path | None = None, *, split: bool = False
) -> Collection:
    """The collection that `text` names: a source, `vectors:DIR`, `demo`, or a name of `names()`.

    `NAME/train` and `NAME/test` are the splits of a named one. With `split` it is one that has a
    train split: a named collection, or a folder with `train/` and `test/`. Raises UsageError.
    """
    name, _, part = text.partition("/")
    if text == "demo":
        found = Collection("openmoji", str(openmoji.build_in(workspace)))
    elif name in names() and part in ("", *SPLITS):
        folder = make(_place(workspace, name), _reader(name, workspace, imagenet_folder))
        found = _of_folder(name, folder, part)
    elif (vectors := EncoderSpec.parse(text).where) is not None:
        found = _of_vectors(vectors)
    else:
        found = _of_source(text, split)
    if split and not found.train:
        raise UsageError(
            f"protocol split needs a train split, and collection {text} has none; give one with "
            "--train, or use --protocol whole"
        )
    return found


def names() -> list[str]:
    """The named collections, sorted."""
    return sorted([*torchvision_sets.SETS, *imagenet.SUBSETS])


def _place(workspace: Workspace, name: str) -> Path:
    return workspace.root / "collections" / name


def _of_folder(name: str, folder: Path, part: str) -> Collection:
    if part:
        return Collection(f"{name}/{part}", str(folder / part))
    return Collection(name, str(folder), str(folder / "train"))


def _of_vectors(folder: Path) -> Collection:
    place = str(expanded(folder))
    return Collection(folder.resolve().name, place, encoder=EncoderSpec.of_vectors(Path(place)))


def _of_source(text: str, split: bool) -> Collection:
    try:
        source = open_source(text)
    except UsageError as error:
        raise UsageError(f"{error}; or name one of demo, {', '.join(names())}") from error
    if source.vectors:
        return _of_vectors(Path(text))
    place = Path(text.rstrip("/"))
    halves = place.is_dir() and all((place / part).is_dir() for part in SPLITS)
    if halves and split:
        return Collection(place.name, str(place / "test"), str(place / "train"))
    if halves and not any((place / name).exists() for name in METADATA):
        raise UsageError(
            f"{text} has the splits train/ and test/, whose names are no labels; "
            f"give {place / 'test'}, or use --protocol split"
        )
    return Collection(name_of(text), text)


def _reader(name: str, workspace: Workspace, imagenet_folder: Path | None) -> Read:
    if name in imagenet.SUBSETS:
        return imagenet.reader(name, imagenet_folder)
    return torchvision_sets.reader(name, workspace.root / "downloads")


def make(folder: Path, read: Read) -> Path:
    """Write the images of both splits into class folders of `folder`, unless they are there.

    What an earlier, cut-off call has written is kept. Raises what `read` raises.
    """
    if _whole(folder):
        return folder
    rows = [row for split in SPLITS for row in _write_split(folder, split, read)]
    with atomic_file(folder / _LIST) as fresh, fresh.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    return folder


def _write_split(folder: Path, split: str, read: Read) -> Iterable[tuple[str, str, int, str]]:
    total, images = read(split)
    with progress(f"making {folder.name}/{split}", total, "images") as advance:
        for number, (label, extension, data) in enumerate(images):
            name = f"{split}/{label.replace('/', '_')}/{number:06}{extension}"
            _write(folder / name, data)
            yield name, label, len(data), hash_bytes(data)
            advance(1)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole; one that has the right bytes already stays."""
    if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    fresh = temporary(path)
    fresh.write_bytes(data)
    fresh.replace(path)


def _whole(folder: Path) -> bool:
    """Whether every file of the list is there with its size."""
    try:
        text = (folder / _LIST).read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        return all((folder / row["file_name"]).stat().st_size == int(row["bytes"]) for row in rows)
    except (OSError, KeyError, ValueError):
        return False

"""The captioner `given`: captions from a file that names images, such as Flickr8k.token.txt."""

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from sortal.configs.errors import UsageError, expanded
from sortal.configs.modalities import GivenConfig
from sortal.storage.hashing import hash_file
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import Caption, Code, captioned
from sortal.tasks.captioning.captioner import Captioner, CaptionImagesInputs
from sortal.tasks.corpora.caption_files import COLUMNS
from sortal.tasks.progress import Advance

NAMES = ("image", "file_name", "image_name", "filename", "file", "path")
_TOKEN = re.compile(r"(\S.*?)#\d+\t(.*)")  # 1000268201.jpg#0<TAB>caption
_PIPE = re.compile(r"([^|]+?)\s*\|\s*\d+\s*\|(.*)")  # 1000092795.jpg| 0| caption
_SHARD = 65536


def _file(config: GivenConfig) -> Path:
    path = expanded(config.source)
    if not config.source or not path.is_file():
        raise UsageError(
            "captioner.given.source must be a file of lines `name#0<TAB>caption` or a CSV with the "
            f"columns file_name and caption, got {config.source!r}; no file is there"
        )
    return path


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """(image's name, caption) in the order of the file; lines that are neither are skipped."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = list(islice(file, 20))
        file.seek(0)
        found = next((form for form in (_TOKEN, _PIPE) if any(map(form.match, head))), None)
        yield from _lines(file, found) if found else _csv(path, file)


def _lines(file: Iterator[str], form: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for line in file:
        match = form.match(line)
        if match:
            yield match[1].strip(), match[2]


def _csv(path: Path, file: Iterator[str]) -> Iterator[tuple[str, str]]:
    header = next(file, "")
    delimiter = max(",;\t", key=header.count)
    columns = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    name, text = (next((x for x in some if x in columns), None) for some in (NAMES, COLUMNS))
    if name is None or text is None:
        raise UsageError(
            f"{path} must name images: lines `name#0<TAB>caption`, or columns file_name and "
            f"caption; its first line is {header.strip()[:80]!r}"
        )
    for row in csv.DictReader(file, fieldnames=columns, delimiter=delimiter):
        if row.get(name) and row.get(text):
            yield str(row[name]), str(row[text])


class GivenCaptioner(Captioner[GivenConfig]):
    """Captions from a file; another content of it is another captioner."""

    name = "given"

    def state(self) -> str:
        """The content of the file."""
        return hash_file(_file(self.settings))

    def store_parts(self, inputs: CaptionImagesInputs) -> list[Any]:
        """The names of the images, and the content of the file."""
        return [inputs.scan.identity, self.state()] if inputs.scan else []

    def open(self, workspace: Workspace, inputs: CaptionImagesInputs, kept: Path) -> "Given":
        """With the file read."""
        return Given(self.settings)


class Given:
    """Captions by an image's path, or by its file name alone."""

    def __init__(self, config: GivenConfig) -> None:
        self._texts: dict[str, list[str]] = {}
        for name, text in read_pairs(_file(config)):
            self._texts.setdefault(name, []).append(text)
        self._all = config.use == "all"

    def shards(self, todo: pa.Table, advance: Advance) -> Iterator[list[Caption]]:
        """Captions of the images of `todo`."""
        for start in range(0, todo.num_rows, _SHARD):
            rows = todo.slice(start, _SHARD).to_pylist()
            yield [self._caption(row["key"], row["path"]) for row in rows]
            advance(len(rows))

    def _caption(self, key: str, path: str) -> Caption:
        found = self._texts.get(path) or self._texts.get(PurePosixPath(path).name)
        if not found:
            return Caption(key, None, Code.NOT_GIVEN.value, f"no caption names {path}")
        return captioned(key, " ".join(found) if self._all else found[0])

"""Images inside Parquet files as a source: Hugging Face's image datasets, img2dataset's output.

Row 12 of `train.parquet`, whose image is called cat.png, has the path `train.parquet/12/cat.png`.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.errors import UsageError
from sortal.tasks.sources.base import (
    Address,
    Entry,
    Labels,
    SourceBase,
    failed_entry,
    files_with_suffix,
    links_outside,
    printable,
)
from sortal.tasks.sources.errors import Code, ImageError
from sortal.tasks.sources.metadata import LABEL
from sortal.tasks.sources.parquet_rows import BROKEN, read_row

IMAGE = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes")  # columns that may hold images
NAME = ("file_name", "filename", "path", "key")  # columns that may hold their names
SUFFIX = ".parquet"
_BUFFER = 1 << 20  # bytes of a file read at a time
_BATCH = 65_536  # rows of which names or labels are held at a time


def open_parquet(address: Address) -> "ParquetSource | None":
    """A Parquet file by its suffix, or a folder with Parquet files that hold images.

    Raises UsageError for a file that holds none, and for files outside the folder alone.
    """
    if address.folder:
        return ParquetSource.in_folder(address.folder)
    if address.file and address.path.suffix == SUFFIX:
        return ParquetSource.checked(address.file, address.path.name)
    return None


@dataclass(frozen=True)
class ParquetSource(SourceBase):
    """Parquet files with a column of image bytes; an image is read by its file and row.

    The column is the first of IMAGE that is binary, or a struct with `bytes` (and `path`), as the
    Hugging Face library writes. `location` is one file, or the folder of `names`.
    """

    location: Path  # resolved
    names: tuple[str, ...]  # relative to the folder

    @classmethod
    def checked(cls, path: Path, name: str) -> "ParquetSource":
        """The file at `path`, named `name`; raises UsageError when it can't be read, or used.

        The two differ for a link, such as those of the Hugging Face cache.
        """
        rule = f"a Parquet source must have a column of image bytes called {' or '.join(IMAGE)}"
        try:
            schema = pq.read_schema(path)
        except BROKEN as error:
            raise UsageError(f"{rule}, got {path}, which cannot be read ({error})") from error
        if not image_column(schema):
            vectors = "vector" in schema.names
            way_out = "give vectors by their folder" if vectors else "rename it, or give a folder"
            raise UsageError(f"{rule}, got {path} with {', '.join(schema.names)}; {way_out}")
        return cls(path, (name,))

    @classmethod
    def in_folder(cls, folder: Path) -> "ParquetSource | None":
        """The Parquet files with images in `folder`, to any depth; None where there are none.

        Among them, files that cannot be read, or that lie outside behind a link, become failed
        rows. Raises UsageError where all lie outside.
        """
        names = files_with_suffix(folder, SUFFIX)
        outside = [name for name in names if links_outside(folder, name)]
        if outside and len(outside) == len(names):
            raise UsageError(
                f"a source is not read through links that lead out of it, got {outside[0]} in "
                f"{folder}; copy the files, or give one of them by its own name"
            )
        holds = {name: name not in outside and _holds_images(folder / name) for name in names}
        kept = tuple(n for n in names if n in outside or holds[n] is not False)
        return cls(folder, kept) if any(holds.values()) else None

    def files(self) -> list[Path]:
        """The Parquet files."""
        return [self._file(name) for name in self.names]

    def entries(self) -> Iterator[Entry]:
        """Every row in order of file and row; `bytes` is 0, since it is known only once read."""
        for name in self.names:
            if self._outside(name):
                yield failed_entry(name, Code.OUTSIDE_ROOT)
                continue
            try:
                mtime_ns = self._file(name).stat().st_mtime_ns
                for row, path in enumerate(self._paths(name)):
                    yield Entry(path, 0, mtime_ns, row)
            except BROKEN as error:
                yield failed_entry(name, Code.DAMAGED, " ".join(str(error).split())[:200])

    def column(self, name: str) -> dict[str, str | None]:
        """Path -> text of a column; raises UsageError where no file has it."""
        found = self._by_path(name)
        if not found:
            with_images = (path for path in self.files() if _holds_images(path))
            columns = ", ".join(pq.read_schema(next(with_images)).names)
            rule = f"a Parquet source must have the column {name!r} of a modality"
            raise UsageError(f"{rule}, got {self.location} with {columns}; name one of these")
        return found

    def labels(self, paths: Iterable[str], metadata: Sequence[Entry]) -> Labels:
        """Those of the column `label`, by their names where the Hugging Face library wrote some."""
        return Labels(self._by_path(LABEL))

    def _by_path(self, column: str) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name in self.names:
            if self._outside(name):
                continue
            with suppress(*BROKEN):  # such a file has a failed row in `entries`
                schema = pq.read_schema(self._file(name))
                if column in schema.names:
                    texts = _texts(self._file(name), column, _class_names(schema, column))
                    found.update(zip(self._paths(name), texts, strict=True))
        return found

    def _paths(self, name: str) -> Iterator[str]:
        file = self._file(name)
        for row, name_given in enumerate(_image_names(file)):
            last = PurePosixPath(name_given).name if name_given else ""
            yield printable(f"{name}/{row}" + (f"/{last}" if last else ""))[0]

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of the image in row `offset`; raises ImageError."""
        return io.BytesIO(self.read(path, offset))

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of the image in row `offset`; raises ImageError."""
        if offset is None:
            raise ValueError(f"an image in Parquet is read by its row; {path!r} came without")
        name = path[: path.rindex(SUFFIX + "/") + len(SUFFIX)]
        if self._outside(name):  # links may have changed since
            raise ImageError(Code.OUTSIDE_ROOT)
        return read_row(self._file(name), offset, image_column)

    def _file(self, name: str) -> Path:
        return self.location if self.location.is_file() else self.location / name

    def _outside(self, name: str) -> bool:
        return self.location.is_dir() and links_outside(self.location, name)


def image_column(schema: pa.Schema) -> str | None:
    """The column of image bytes, as Parquet names it (`image.bytes` inside a struct), or None."""
    for name in IMAGE:
        kind = schema.field(name).type if name in schema.names else pa.null()
        if _is_bytes(kind):
            return name
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{name}.bytes" if _is_bytes(kind.field("bytes").type) else None
    return None


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _holds_images(path: Path) -> bool | None:
    """Whether a file holds images; None where it cannot be read."""
    try:
        return image_column(pq.read_schema(path)) is not None
    except BROKEN:
        return None


def _image_names(file: Path) -> Iterator[str | None]:
    """The name that each row gives its image."""
    column = _name_column(pq.read_schema(file))
    if column:
        return _texts(file, column)
    return repeat(None, pq.read_metadata(file).num_rows)


def _name_column(schema: pa.Schema) -> str | None:
    """The image's own `path` inside a struct, else the first of the columns NAME, or None."""
    inside, is_struct, _ = (image_column(schema) or "").partition(".")
    if is_struct and schema.field(inside).type.get_field_index("path") >= 0:
        return f"{inside}.path"
    return next((name for name in NAME if name in schema.names), None)


def _texts(file: Path, column: str, names: list[str] | None = None) -> Iterator[str | None]:
    """The values of a column as text; whole numbers by their place in `names`, if given."""
    for batch in pq.ParquetFile(file, buffer_size=_BUFFER).iter_batches(_BATCH, columns=[column]):
        values = batch.column(0)
        for part in column.split(".")[1:]:
            values = pc.struct_field(values, part)
        for value in values.to_pylist():
            yield None if value is None else _as_text(value, names)


def _as_text(value: Any, names: list[str] | None) -> str:
    known = names and isinstance(value, int) and 0 <= value < len(names)
    return printable(names[value] if known else str(value))[0]  # type: ignore[index]


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a class label's values, as the Hugging Face library notes them."""
    try:
        notes = json.loads((schema.metadata or {})[b"huggingface"])
        return [str(name) for name in notes["info"]["features"][column]["names"]]
    except (KeyError, TypeError, ValueError):
        return None

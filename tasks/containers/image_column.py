"""Which column of a table holds images: by type, then by its name, then by what its bytes are.

A column holds images where its values are bytes, structs with bytes, or lists of either, under
dictionaries and extension types too.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from sortal.tasks.containers.base import Columns, NoImagesError
from sortal.tasks.labels.formats.meaning import column_called, folded

_NAMES = (
    "image", "img", "jpg", "jpeg", "png", "webp", "bytes", "images", "imgs", "image_bytes",
    "img_bytes", "image_data", "img_data", "picture", "photo", "pixel_values", "content", "data",
    "binary", "buffer", "raw",
)  # fmt: skip
_PLAIN = 7  # of these names, so many are believed without a look at the bytes
_BYTES = ("bytes", "data", "content", "image", "image_bytes", "buffer", "raw")
_PATHS = ("path", "file_name", "filename", "name")
_MAGIC = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P1\n", b"P2\n",
    b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"P4 ", b"P5 ", b"P6 ", b"\0\0\0\x0cjP",
    b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0cJXL", b"8BPS",
)  # fmt: skip
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heif", b"hevc", b"mif1", b"msf1")
# The first values of a column that are not null, as Python has them.
First = Callable[[str], Iterable[Any]]


class ImageColumn(NamedTuple):
    """A column of images: where in a value the bytes are, and where a name may be.

    `number` is its place in the schema where the user named it, else None.
    """

    name: str
    is_list: bool
    field: str | None  # of a struct, the bytes
    path: str | None  # of a struct, the name
    number: int | None = None

    def values(self, value: Any) -> list[Any]:
        """The images' bytes in a value: one, or as many as a list has."""
        items = value if self.is_list else [value]
        return [self._bytes(item) for item in items or ()]

    def paths(self, value: Any) -> list[Any]:
        """The names that a value gives its images."""
        items = value if self.is_list else [value]
        return [item.get(self.path) if isinstance(item, dict) else None for item in items or ()]

    def _bytes(self, item: Any) -> Any:
        return item.get(self.field) if isinstance(item, dict) else item


def find_column(schema: pa.Schema, columns: Columns, first: First) -> tuple[ImageColumn, list[str]]:
    """The column of images, and the others that hold some as well; raises NoImagesError."""
    found = [column for column in map(_column_of, schema) if column]
    if columns.image is not None:
        return _named(schema, found, columns.image), []
    found.sort(key=lambda column: _rank(column.name))
    sound = [column for column in found if _holds_images(column, first)]
    believed = [column for column in found if _is_believed(column, first)]
    chosen = next(iter(sound or believed), None)
    if chosen is None:
        raise NoImagesError(f"no column holds images, got {types_of(schema)}")
    return chosen, [column.name for column in sound[1:]]


def types_of(schema: pa.Schema) -> str:
    """The columns with their types: "id int64, image struct<bytes: binary, path: string>"."""
    return ", ".join(f"{field.name} {field.type}" for field in schema)[:500]


def column_at(schema: pa.Schema, number: int) -> ImageColumn:
    """The column that the user named, by its place; raises ValueError where it holds no bytes."""
    column = _column_of(schema.field(number)) if number < len(schema) else None
    if column is None:
        raise ValueError("its column of images is gone")
    return column


def is_image(data: Any) -> bool:
    """Whether bytes begin as an image does."""
    if not isinstance(data, bytes):
        return False
    if data.startswith(b"RIFF"):
        return data[8:12] == b"WEBP"
    return data.startswith(_MAGIC) or (data[4:8] == b"ftyp" and data[8:12] in _BRANDS)


def _named(schema: pa.Schema, found: list[ImageColumn], name: str) -> ImageColumn:
    number = column_called(schema.names, name)
    wanted = schema.names[number] if number is not None else None
    column = next((each for each in found if each.name == wanted), None)
    if column is None:
        raise NoImagesError(f"no column {name!r} holds bytes, got {types_of(schema)}")
    return column._replace(number=number)


def _column_of(field: pa.Field) -> ImageColumn | None:
    kind = _plain(field.type)
    is_list = _is_list(kind)
    if is_list:
        kind = _plain(kind.value_type)
    if _is_bytes(kind) or (pa.types.is_null(kind) and _rank(field.name) < _PLAIN):
        return ImageColumn(field.name, is_list, None, None)
    if not pa.types.is_struct(kind):
        return None
    fields = [kind.field(i) for i in range(kind.num_fields)]
    holds = [each.name for each in fields if _is_bytes(_plain(each.type))]
    inner = next((name for name in _BYTES if name in holds), next(iter(holds), None))
    names = [each.name for each in fields]
    path = next((name for name in _PATHS if name in names), None)
    return ImageColumn(field.name, is_list, inner, path) if inner else None


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without what wraps it: an extension, a dictionary."""
    while isinstance(kind, pa.BaseExtensionType) or pa.types.is_dictionary(kind):
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind.storage_type
    return kind


def _is_list(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
        pa.types.is_list_view, pa.types.is_large_list_view,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _rank(name: str) -> int:
    return next((i for i, known in enumerate(_NAMES) if folded(name) == known), len(_NAMES))


def _first_bytes(column: ImageColumn, first: First) -> list[bytes]:
    return [data for value in first(column.name) for data in column.values(value) if data]


def _holds_images(column: ImageColumn, first: First) -> bool:
    return any(map(is_image, _first_bytes(column, first)))


def _is_believed(column: ImageColumn, first: First) -> bool:
    """Whether the name says images, and nothing that they are files elsewhere."""
    values = list(first(column.name))
    elsewhere = any(any(column.paths(value)) for value in values) and not any(
        any(column.values(value)) for value in values
    )
    return _rank(column.name) < _PLAIN and not (column.path and elsewhere)

"""Which containers there are: by the ending of a name, and by the bytes that a file begins with."""

from typing import NamedTuple

from sortal.tasks.containers.arrow import ARROW
from sortal.tasks.containers.base import Container
from sortal.tasks.containers.packed import Packed
from sortal.tasks.containers.parquet import PARQUET
from sortal.tasks.containers.tar import Tar
from sortal.tasks.containers.zip import Zip

HEAD = 512  # bytes of a file that tell its kind


class Kind(NamedTuple):
    """One kind of container. `magic`: (position, bytes) that its files have, any one of them."""

    name: str
    endings: tuple[str, ...]  # of names, in lower case
    magic: tuple[tuple[int, bytes], ...]
    container: Container


def _packed(codec: str, endings: tuple[str, ...], magic: bytes) -> Kind:
    return Kind(f"{codec} file", endings, ((0, magic),), Packed(codec))


# A new kind is one line here.
KINDS: tuple[Kind, ...] = (
    Kind("zip file", (".zip", ".cbz"), ((0, b"PK\3\4"), (0, b"PK\5\6")), Zip()),
    _packed("gzip", (".gz", ".tgz", ".taz"), b"\x1f\x8b\x08"),
    _packed("bz2", (".bz2", ".tbz", ".tbz2"), b"BZh"),
    _packed("xz", (".xz", ".txz"), b"\xfd7zXZ\0"),
    _packed("zstd", (".zst", ".tzst"), b"\x28\xb5\x2f\xfd"),
    Kind("Parquet file", (".parquet", ".parq", ".pq"), ((0, b"PAR1"),), PARQUET),
    Kind("Arrow file", (".arrow", ".feather", ".ipc"), ((0, b"ARROW1"),), ARROW),
    Kind("tar file", (".tar", ".cbt"), ((257, b"ustar"),), Tar()),
)


def kind_by_name(path: str) -> Kind | None:
    """The kind that a name says, whatever its case."""
    name = path.rpartition("/")[2].lower()
    return next((kind for kind in KINDS if name.endswith(kind.endings)), None)


def kind_by_bytes(head: bytes) -> Kind | None:
    """The kind of a file that begins with `head`, which is at least HEAD bytes, or all of them."""
    return next(
        (
            kind
            for kind in KINDS
            for position, magic in kind.magic
            if head[position : position + len(magic)] == magic
        ),
        None,
    )

"""Listed sources without files: paths of images, and texts with their bytes."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sortal.tasks.errors import Code, ImageError
from sortal.tasks.labels.base import Inputs

TextBytes = Mapping[str, str | bytes]


def inputs(
    images: Sequence[str],
    texts: TextBytes | None = None,
    *,
    members: bool = False,
    own: Sequence[str | None] | None = None,
    column: str | None = None,
) -> Inputs:
    """What labels are found in; `members`: all lie in containers, `own` is what those say."""
    known = {name: t.encode() if isinstance(t, str) else t for name, t in (texts or {}).items()}

    def read(path: str, offset: int | None, size: int | None) -> bytes:
        if known[path] == b"LOCKED":
            raise ImageError(Code.UNREADABLE, "Permission denied")
        return known[path]

    return Inputs(_rows(images, members, own), _rows(list(known), members), read, column)


def _rows(paths: Sequence[str], members: bool, own: Sequence[str | None] | None = None) -> pa.Table:
    count = len(paths)
    return pa.table(
        {
            "path": pa.array(paths, pa.string()),
            "bytes": pa.array([1] * count, pa.int64()),
            "offset": pa.array([0 if members else None] * count, pa.int64()),
            "label": pa.array(own or [None] * count, pa.string()),
        }
    )

"""Thumbnails: small WebP pictures by content in one SQLite file, bounded on disk.

A file of its own, and not Parquet: pages ask for a few dozen of them at a time, in any order.
"""

import io
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image

from sortal.configs.looks import ThumbnailConfig
from sortal.storage.hashing import fingerprint
from sortal.storage.workspace import Workspace

_TABLE = "CREATE TABLE IF NOT EXISTS thumbnails (key TEXT PRIMARY KEY, picture BLOB NOT NULL)"
_PATIENCE = 30.0  # seconds that a writer waits for another
_PAUSE = 0.02  # seconds
_LEFT = 0.9  # of the bytes allowed, after the oldest have gone
_ASKED = 500  # keys a statement


def shrink(picture: Image.Image, config: ThumbnailConfig) -> bytes:
    """An RGB picture as a WebP whose longer side has at most `config.size` pixels."""
    small = picture.copy()
    small.thumbnail((config.size, config.size), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=config.quality, method=2)
    return out.getvalue()


class Thumbnails:
    """The thumbnails of a workspace of one size and quality."""

    def __init__(self, workspace: Workspace, config: ThumbnailConfig) -> None:
        name = f"{fingerprint(config.size, config.quality)[:16]}.sqlite"
        self._file: Path = workspace.thumbnails / name
        self._config = config

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=_PATIENCE)) as connection:
            _prepare(connection)
            yield connection

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Those of `keys` that are there."""
        if not self._file.exists():
            return {}
        found: dict[str, bytes] = {}
        with self._opened() as connection:
            for start in range(0, len(keys), _ASKED):
                some = keys[start : start + _ASKED]
                marks = ", ".join("?" * len(some))
                query = f"SELECT key, picture FROM thumbnails WHERE key IN ({marks})"
                found |= dict(connection.execute(query, list(some)).fetchall())
        return found

    def all_keys(self) -> set[str]:
        """The keys of all that are there."""
        if not self._file.exists():
            return set()
        with self._opened() as connection:
            return {key for (key,) in connection.execute("SELECT key FROM thumbnails")}

    def add(self, pictures: Iterable[tuple[str, bytes]]) -> None:
        """Keep these by key; the oldest go where there are more bytes than allowed."""
        with self._opened() as connection:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO thumbnails VALUES (?, ?)", pictures)
            self._bound(connection)

    def is_full(self) -> bool:
        """Whether there are nearly as many bytes as allowed: what is not there, had to go."""
        with self._opened() as connection:
            return self._bytes(connection) > _LEFT * _LEFT * self._config.max_bytes

    def _bound(self, connection: sqlite3.Connection) -> None:
        total = self._bytes(connection)
        if total <= self._config.max_bytes:
            return
        count = connection.execute("SELECT count(*) FROM thumbnails").fetchone()[0]
        gone = int(count * (1 - _LEFT * self._config.max_bytes / total)) + 1
        oldest = "SELECT rowid FROM thumbnails ORDER BY rowid LIMIT ?"
        with connection:
            connection.execute(f"DELETE FROM thumbnails WHERE rowid IN ({oldest})", [gone])

    @staticmethod
    def _bytes(connection: sqlite3.Connection) -> int:
        """Bytes in use: pages that were freed are used again before the file grows."""
        names = ("page_count", "freelist_count", "page_size")
        count, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((count - free) * size)


def _prepare(connection: sqlite3.Connection) -> None:
    """Write ahead, and have the table; of several that begin a new file at once each has its turn.

    Who sets the journal's mode while another does is told at once that the file is locked.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)

"""Every image of a place: loose files, and what is in containers of every kind, mixed at will."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from sortal.tasks.containers.base import Columns
from sortal.tasks.labels.base import Inputs
from sortal.tasks.labels.texts import find_texts
from sortal.tasks.places.base import Place
from sortal.tasks.places.rules import Rules
from sortal.tasks.sources.base import Entry, Listing, read_all
from sortal.tasks.sources.gather import Gatherer
from sortal.tasks.sources.kinds import Role, roles_of
from sortal.tasks.sources.members import home_of


@dataclass(frozen=True)
class Collection:
    """A place and its containers as one source.

    The member `12.jpg` of `a.tar` has the path `a.tar/12.jpg`. Where the source is `alone` one
    container of files, its name is no part of the paths.
    """

    place: Place
    alone: bool = False

    @property
    def location(self) -> str:
        """That of the place."""
        return self.place.location

    @property
    def vectors(self) -> Path | None:
        """None: the images are read and embedded."""
        return None

    def state(self, rules: Rules) -> str:
        """Hash of the names, sizes, times and versions of all files that may count.

        Of others the names, and how many are left out: what a scan says of them stays true.
        """
        digest, left_out = xxhash.xxh3_128(), Counter[str]()
        for batch in self.place.files(rules, left_out):
            roles = roles_of(batch.column("path"))
            kept = pa.array(roles != Role.OTHER)
            kept = pc.or_(kept, pc.is_valid(batch.column("error_code")))
            digest.update(memoryview(batch.filter(kept).serialize()))
            others = batch.select(["path"]).filter(pc.invert(kept))
            digest.update(memoryview(others.serialize()))
        digest.update(repr(sorted(left_out.items())).encode())
        return digest.hexdigest()

    def listing(self, rules: Rules, columns: Columns) -> Listing:
        """Files in the order of the place, members in that of their container."""
        return Gatherer(self.place, self.alone, rules, columns).listing()

    def entry(self, path: str) -> Entry:
        """The loose file at `path`; `missing` for what no container was found to hold."""
        file = self.place.file(path)
        code, error = file.error_code, file.error
        return Entry(file.path, file.bytes, file.mtime_ns, None, file.mode, code, error)

    def open(self, path: str, offset: int | None = None, size: int | None = None) -> BinaryIO:
        """A stream of a loose file, or with an offset of a member."""
        if offset is None:
            return self.place.open(path)
        home = home_of(self.place, self.alone, path)
        return home.container.open(home.opener, home.path, offset, size or 0)

    def read(self, path: str, offset: int | None = None, size: int | None = None) -> bytes:
        """The bytes of one input."""
        return read_all(self.open(path, offset, size))

    def prefetch(self, paths: Sequence[str]) -> None:
        """As the place does."""
        self.place.prefetch(paths)

    def column(self, name: str) -> dict[str, str | None]:
        """Path -> text of a column of tables and containers, or of sidecars."""
        listing = self.listing(Rules(), Columns(label=name))
        inputs = Inputs(listing.rows, listing.texts, self.read, name)
        texts = find_texts(inputs, name, self.location)
        return dict(zip(listing.rows["path"].to_pylist(), texts.to_pylist(), strict=True))

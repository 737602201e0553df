"""All inputs of a place and of its containers, file by file: rows, texts, and counts of others."""

import re
import stat
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from sortal.tasks.containers.base import Columns, Container, NoImagesError, Opener
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import Place
from sortal.tasks.places.rules import Rules
from sortal.tasks.sources.base import LISTING, Entry, Listing, failed_entry, is_image, table_of
from sortal.tasks.sources.kinds import Role, kind_of, role_of, roles_of, says_image
from sortal.tasks.sources.openers import FileOpener, MemberOpener, kind_of_container, role_of_bytes

_DOUBLE = "earlier file of the same name"
_CARD, _OF_CARD = re.compile(r"(?i)readme\.md|dataset_infos?\.json"), "picture of a dataset's card"
_REFUSED = "an archive of a kind that is not read; unpack it, or make it a zip or tar"
_MOST = 65_536  # rows held as Python objects at a time


class Gatherer:
    """Gathers one place. `alone`: it is one file, whose members have no name before theirs."""

    def __init__(self, place: Place, alone: bool, rules: Rules, columns: Columns) -> None:
        self._place, self._alone = place, alone
        self._rules, self._columns = rules, columns
        self._rows: list[pa.Table] = []
        self._texts: list[Entry] = []
        self._pending: list[Entry] = []  # rows that are not in a table yet
        self._others: Counter[str] = Counter()
        self._refusals: list[str] = []
        self._n_files = 0
        self._has_tables = self._has_card = self._has_members = False

    def listing(self) -> Listing:
        """All of it."""
        left_out: Counter[str] = Counter()
        for batch in self._place.files(self._rules, left_out):
            self._n_files += batch.num_rows
            self._add_files(batch)
        self._flush()
        rows, texts = _joined(self._rows), table_of(self._texts)
        if self._has_members:
            rows, texts = self._last_of_each(rows), last_rows(texts)
        if self._has_tables and self._has_card:
            rows = self._without_card(rows)
        n_files = self._n_files + sum(left_out.values())
        return Listing(rows, texts, self._others + left_out, n_files, self._refusals)

    def _add_files(self, batch: pa.RecordBatch) -> None:
        """Loose files: images by their names as they are, all others one by one."""
        table = listed(batch)
        roles = roles_of(batch.column("path"), self._columns.label)
        if self._alone:
            roles[:] = Role.ODD
        start = 0
        for row in np.flatnonzero(roles != Role.IMAGE):
            self._add_images(table.slice(start, row - start))
            start = int(row) + 1
            entry = Entry(*(column[row].as_py() for column in table.columns))
            version = batch.column("version")[row].as_py()
            opener = FileOpener(
                self._place, entry.path, entry.bytes, batch["mtime_ns"][row].as_py(), version
            )
            self._add(Role(roles[row]), entry, opener, level=0)
        self._add_images(table.slice(start))

    def _add_images(self, table: pa.Table) -> None:
        if table.num_rows:
            self._flush()
            self._rows.append(table)

    def _add(self, role: Role, entry: Entry, opener: Opener | None, level: int) -> None:
        """A file of any role; one without an opener cannot be opened, and has a code."""
        path = entry.path
        self._has_card = self._has_card or bool(_CARD.fullmatch(path))
        if entry.error_code or opener is None:
            role = _role_of_lost(role, entry)
        elif role == Role.ODD:
            role, entry = self._sniffed(entry, opener)
        if role == Role.IMAGE:
            self._pending.append(entry)
        elif role == Role.REFUSED:
            self._pending.append(failed_entry(path, Code.UNSUPPORTED_FORMAT, _REFUSED))
        elif role == Role.CONTAINER and opener:
            self._add_container(entry, opener, level)
        else:
            self._others[kind_of(path) if not entry.error_code else "unreadable file"] += 1
        if role == Role.TEXT:
            self._texts.append(entry)
        if len(self._pending) >= _MOST:
            self._flush()

    def _sniffed(self, entry: Entry, opener: Opener) -> tuple[Role, Entry]:
        if self._alone and entry.offset is None:
            return (Role.IMAGE if is_image(entry.path) else Role.CONTAINER), entry
        try:
            return role_of_bytes(opener), entry
        except ImageError as error:
            return Role.IMAGE, failed_entry(entry.path, error.code, error.message)

    def _add_container(self, entry: Entry, opener: Opener, level: int) -> None:
        """What is in a container; one that cannot be read is a failed row."""
        if level > 1:
            self._pending.append(failed_entry(entry.path, Code.NESTED))
            return
        try:
            kind = kind_of_container(opener)
            if kind is None:
                self._pending.append(entry)
                return
            self._has_members = True
            if kind.container.holds_files:
                whole = self._add_members(kind.container, entry, opener, level)
            else:
                whole = self._add_table(kind.container, entry, opener)
            if whole:
                self._others[kind.name] += 1
        except NoImagesError as reason:
            self._refusals.append(f"{entry.path}: {reason}")
            self._others[kind_of(entry.path)] += 1
            self._texts.append(entry)
        except ImageError as error:
            self._pending.append(failed_entry(entry.path, error.code, error.message))

    def _add_members(self, container: Container, entry: Entry, opener: Opener, level: int) -> bool:
        """The files in a container; False: a row says that its end is lost."""
        whole = True
        prefix = "" if self._alone and level == 0 else f"{entry.path}/"
        for batch in container.members(opener, self._columns):
            for path, size, offset, code, error, label in _rows(batch):
                if code and path == opener.name:
                    whole = False
                    failed = failed_entry(entry.path, Code(code), error)  # type: ignore[call-arg]
                    self._pending.append(failed)
                    continue
                self._n_files += 1
                reason = self._rules.reason(prefix + path)
                if reason:
                    self._others[reason] += 1
                    continue
                full = Entry(prefix + path, size, entry.mtime_ns, offset, 0, code, error, label)
                inner = None if code else MemberOpener(opener, container, path, offset, size)
                self._add(role_of(path, self._columns.label), full, inner, level + 1)
        return whole

    def _add_table(self, container: Container, entry: Entry, opener: Opener) -> bool:
        """The rows of a table, each an image."""
        whole = True
        for batch in container.members(opener, self._columns):
            self._flush()
            paths, count = batch.column("path"), batch.num_rows
            lost = pc.and_(pc.is_valid(batch.column("error_code")), pc.equal(paths, opener.name))
            full = pc.if_else(lost, "", pc.binary_join_element_wise(entry.path, paths, "/"))
            full = pc.if_else(lost, entry.path, full)
            whole = whole and not pc.any(lost).as_py()
            self._n_files += count - pc.sum(lost).as_py()
            columns = {name: batch.column(name) for name in batch.schema.names} | {"path": full}
            columns["mtime_ns"] = pa.repeat(pa.scalar(entry.mtime_ns, pa.int64()), count)
            columns["mode"] = pa.repeat(pa.scalar(0, pa.int32()), count)
            self._rows.append(pa.table({n: columns[n] for n in LISTING.names}, schema=LISTING))
            self._has_tables = True
        return whole

    def _flush(self) -> None:
        if self._pending:
            self._rows.append(table_of(self._pending))
            self._pending = []

    def _last_of_each(self, rows: pa.Table) -> pa.Table:
        last = last_rows(rows)
        if last.num_rows < rows.num_rows:
            self._others[_DOUBLE] += rows.num_rows - last.num_rows
        return last

    def _without_card(self, rows: pa.Table) -> pa.Table:
        """Images in tables alone, without those that a dataset's README.md shows."""
        loose = pc.invert(pc.match_substring(rows["path"], "/"))
        of_card = pc.and_(loose, pc.is_null(rows["error_code"]))
        self._others[_OF_CARD] += pc.sum(of_card).as_py()
        return rows.filter(pc.invert(of_card))


def _rows(batch: pa.RecordBatch) -> Iterator[tuple]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _role_of_lost(role: Role, entry: Entry) -> Role:
    """The role of a file that cannot be opened: a row, unless its name is that of no image."""
    if role == Role.TEXT or stat.S_ISDIR(entry.mode):
        return Role.TEXT if role == Role.TEXT else Role.IMAGE
    if role == Role.OTHER or (role == Role.ODD and not says_image(entry.path)):
        return Role.OTHER
    return Role.IMAGE


def listed(batch: pa.RecordBatch) -> pa.Table:
    """Files of a place (columns: FILES) as inputs (columns: LISTING)."""
    n = batch.num_rows
    columns = {name: batch.column(name) for name in batch.schema.names if name != "version"}
    columns["mtime_ns"] = _times(batch)
    columns |= {"offset": pa.nulls(n, pa.int64()), "label": pa.nulls(n, pa.string())}
    return pa.table({name: columns[name] for name in LISTING.names}, schema=LISTING)


def _times(batch: pa.RecordBatch) -> pa.Array:
    """The times of files; where a place knows versions, a number for each of them."""
    times, versions = batch.column("mtime_ns"), batch.column("version")
    if versions.null_count == len(versions):
        return times
    numbers = [v and xxhash.xxh3_64_intdigest(v.encode()) >> 1 for v in versions.to_pylist()]
    return pc.coalesce(pa.array(numbers, pa.int64()), times)


def _joined(pieces: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(pieces) if pieces else LISTING.empty_table()


def last_rows(rows: pa.Table) -> pa.Table:
    """The last row of each path."""
    paths = rows.column("path")
    if pc.count_distinct(paths).as_py() == rows.num_rows:
        return rows
    numbered = rows.select(["path"]).append_column("row", pa.array(np.arange(rows.num_rows)))
    last = numbered.group_by("path").aggregate([("row", "max")])["row_max"]
    return rows.take(np.sort(last.to_numpy()))

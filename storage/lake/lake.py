"""The lake: every run's result in DuckLake tables, published completely or not at all.

Readers never block and never see half a run; every past run stays queryable.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb

from sortal.configs.errors import RunError
from sortal.storage.faults import point
from sortal.storage.lake.attach import Attached, attach, data_folder, share, shared, unshare
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.extensions import SMALL, connect, stored, widen
from sortal.storage.lake.owner import lake_id
from sortal.storage.lake.retry import is_away, one_line, retry
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES, prepare, rollback
from sortal.storage.lake.sql import Select, literal, one_row, sql
from sortal.storage.mirror import Mirror
from sortal.storage.objects.data_folder import BucketFolder, folder_at
from sortal.storage.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
Around = Callable[[Any], AbstractContextManager[None]]

_BYTES = 300  # of all tables' rows of an image, compressed


class Lake:
    """An open lake; use it as a context manager.

    `catalogue` is a PostgreSQL URL; None takes SORTAL_CATALOGUE, else the workspace's SQLite
    file. Opening for writing creates the tables. A lake that an earlier version made is migrated.
    """

    def __init__(
        self, workspace: Workspace, read_only: bool = False, catalogue: str | None = None
    ) -> None:
        self._catalogue = Catalogue.configured(workspace, catalogue)
        self._workspace = workspace
        if read_only:
            self._catalogue.require()
        else:
            workspace.create()
        self._read_only = read_only
        self._transacting = False
        self._sizes: dict[str, int] = {}
        self._connection = retry(self._open, self._catalogue.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The id that DuckLake gave it: the same in copies of its catalogue, and in no other."""
        return lake_id(self._connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        """A connection to the lake; one of an earlier version is migrated first, if it can be."""
        connection, current = self._connect(self._read_only)
        if current:
            return connection
        connection.close()
        with suppress(duckdb.Error, OSError):  # a disk or database that may only be read
            self._connect(read_only=False)[0].close()
        return self._connect(read_only=True)[0]

    def _connect(self, read_only: bool) -> tuple[duckdb.DuckDBPyConnection, bool]:
        """A connection, and whether the lake's tables and views are this version's."""
        if held := shared(self._catalogue, read_only):
            self._folder = held.folder
            return held.connection, True
        connection = connect()
        try:
            self._attach(connection, read_only)
            self._folder = data_folder(connection)
            current = prepare(connection, read_only)
            size = stored(connection)
            widen(connection, size)
            if current and size <= SMALL:
                attached = Attached(connection, self._folder)
                connection = share(attached, self._catalogue, read_only)
        except BaseException:
            connection.close()
            raise
        return connection, current

    def _attach(self, connection: duckdb.DuckDBPyConnection, read_only: bool) -> None:
        # Its own folder: DuckDB leaves the one it spills into open to every query, and two
        # processes that spill into the same files ruin each other's.
        connection.execute("SET temp_directory = ?", [str(self._catalogue.spill(self._read_only))])
        connection.execute("SET preserve_insertion_order = false")
        attach(connection, self._catalogue, read_only)

    def _reopen(self) -> None:
        """Connect anew, after the connection was lost."""
        self._connection.close()
        self._connection = self._open()

    def confine(self) -> None:
        """From now on: no file outside the lake, no setting, no extension, for users' SQL."""
        folders = sorted({f"{self._catalogue.workspace.lake}/", self._folder})
        allowed = ", ".join(map(literal, folders))
        self._connection.execute(f"SET allowed_directories = [{allowed}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def bound(self, memory: str, spilled: str) -> None:
        """From now on: so much memory and disk at the most, such as `2GB`; before `confine`."""
        self._connection.execute("SET memory_limit = ?", [memory])
        self._connection.execute("SET max_temp_directory_size = ?", [spilled])

    def interrupt(self) -> None:
        """End the statement that runs, from another thread: it raises duckdb.InterruptException."""
        self._connection.interrupt()

    def execute(
        self, query: str, parameters: dict[str, Any] | list[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Run `query` with bound values; rows are fetched from what is returned.

        Raises RunError where a data file is missing. A lost connection is made again, outside of
        `transact`, which does so for the whole transaction.
        """

        def run() -> duckdb.DuckDBPyConnection:
            return self._connection.execute(query, parameters)

        try:
            return run()
        except duckdb.Error as error:
            if self._lacks_a_file(error):
                raise RunError(
                    f"the lake's data files must be in {folder_at(self._folder)}, and one is "
                    f"missing: {one_line(error)}; `sortal verify` lists what is"
                ) from error
            lost = isinstance(error, duckdb.IOException) and is_away(error)
            if self._transacting or not lost:
                raise
        return retry(run, self._catalogue.name)

    def _lacks_a_file(self, error: duckdb.Error) -> bool:
        text = str(error)
        if isinstance(folder_at(self._folder), BucketFolder):
            return "FileNotFoundError" in text
        is_io = isinstance(error, duckdb.IOException)
        return is_io and "no such file" in text.lower() and self._folder in text

    def size_of(self, file: str) -> int | None:
        """Bytes of a data file, as DuckLake names it; None where there is none."""
        folder = folder_at(self._folder)
        if isinstance(folder, BucketFolder):
            self._sizes = self._sizes or folder.sizes()
            return self._sizes.get(file.removeprefix(self._folder))
        return Path(file).stat().st_size if Path(file).exists() else None

    def statements(self, query: str) -> list[duckdb.Statement]:
        """`query` parsed into its statements."""
        return self._connection.extract_statements(query)

    def query(self, query: str, parameters: dict[str, Any] | list[Any] | None = None) -> "pa.Table":
        """The result of `query`, with bound values, as an Arrow table."""
        return self.execute(query, parameters).to_arrow_table()

    def find_run(self, fingerprint: str) -> str | None:
        """The id of the run with this fingerprint, or None."""
        found = self.execute(
            "SELECT min(run_id) FROM runs WHERE fingerprint = $fingerprint",
            {"fingerprint": fingerprint},
        ).fetchone()
        return found[0] if found else None

    def has_run(self, run_id: str) -> bool:
        """Whether the run is in the lake."""
        found = self.execute("SELECT count(*) FROM runs WHERE run_id = $run", {"run": run_id})
        return bool((found.fetchone() or (0,))[0])

    def publish(
        self,
        run: RunRow,
        tables: "Mapping[str, pa.Table | Select]",
        fence: Callable[[], AbstractContextManager[None]] = nullcontext,
        bind: Callable[["Lake"], None] = lambda _: None,
    ) -> str:
        """Publish a run and its tables in one transaction; returns the run's id.

        `tables` maps names of SCAN_TABLES and RUN_TABLES to rows, matched by column name. A run
        whose fingerprint or id is already there is left as it is, and the id it has is
        returned; rows of a scan are written only once for a collection. Conflicts with other
        writers are retried. `fence()` is entered around the commit alone, and may raise to stop it.
        `bind(lake)` is called in the transaction of a new run, for what its collection is.
        """
        unknown = set(tables) - {*SCAN_TABLES, *RUN_TABLES}
        if unknown:
            raise ValueError(f"unknown lake tables: {', '.join(sorted(unknown))}")
        size = run["n_images"] * _BYTES
        widen(self._connection, size)
        if size > SMALL:
            unshare()
        if mirror := Mirror.of(self._workspace):
            mirror.join(self.id)
        known = self.transact(
            lambda: self._publish(run, tables, bind),
            lambda known: nullcontext() if known else fence(),
        )
        point("lake.committed")
        return known or run["run_id"]

    def transact(self, work: Callable[[], T], around: Around = lambda _: nullcontext()) -> T:
        """`work()` in a transaction; done again, from its start, on a conflict with others.

        So it is when the connection was lost, even while the commit was on its way: `work` must
        find what an earlier try has published. The commit is made inside of `around(result)`.
        """

        def transaction() -> T:
            self._transacting = True
            try:
                self.execute("BEGIN")
                result = work()
                with around(result):
                    self.execute("COMMIT")
            except BaseException:
                rollback(self._connection)
                raise
            finally:
                self._transacting = False
            return result

        return retry(transaction, self._catalogue.name, self._reopen)

    def mark(self) -> None:
        """Change the row that every writer changes, so that two writers at once always conflict.

        The later one then looks again at which runs and scans exist.
        """
        self.execute("UPDATE meta SET value = value::BIGINT + 1 WHERE name = 'commits'")

    def _publish(
        self,
        run: RunRow,
        tables: "Mapping[str, pa.Table | Select]",
        bind: Callable[["Lake"], None],
    ) -> str | None:
        """Insert the run unless it is there; the id it then has."""
        known = self.find_run(run["fingerprint"])
        if known is None and self.has_run(run["run_id"]):
            known = run["run_id"]
        if known is None:
            point("lake.begun")
            self._insert(run, tables)
            bind(self)
            point("lake.written")
        return known

    def _insert(self, run: RunRow, tables: "Mapping[str, pa.Table | Select]") -> None:
        self.mark()
        place = {"collection": run["collection"], "source": run["source"]}
        self.execute(sql("commit/collection"), {**place, "created_at": run["started_at"]})
        known = SCAN_TABLES if self._has_scan(run) else ()
        for name in (*SCAN_TABLES, *RUN_TABLES):
            if name in tables and name not in known:
                self.append(name, tables[name])
        self.append("runs", one_row(run))

    def _has_scan(self, run: RunRow) -> bool:
        query = "SELECT count(*) FROM images WHERE scan = $scan AND collection = $collection"
        place = {"scan": run["scan"], "collection": run["collection"]}
        return bool((self.execute(query, place).fetchone() or (0,))[0])

    def append(self, name: str, rows: "pa.Table | Select") -> None:
        """Add rows to a table, matched by column name; for use inside `transact`."""
        if isinstance(rows, Select):
            self.execute(f"INSERT INTO {name} BY NAME {rows.sql}", rows.parameters)
            return
        self._connection.register("incoming", rows)
        try:
            self.execute(f"INSERT INTO {name} BY NAME FROM incoming")
        finally:
            self._connection.unregister("incoming")

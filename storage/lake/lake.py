"""The lake: every run's result in DuckLake tables, published completely or not at all.

Readers never block and never see half a run; every past run stays queryable.
"""

import csv
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb

from sortal.configs.errors import UsageError
from sortal.storage.atomic import temporary
from sortal.storage.faults import point
from sortal.storage.lake.attach import attach, data_folder
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.extensions import connect
from sortal.storage.lake.retry import retry
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.schema import prepare, rollback
from sortal.storage.lake.sql import SQL, Select, literal, one_row, sql
from sortal.storage.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
Around = Callable[[Any], AbstractContextManager[None]]

SCAN_TABLES = ("images", "failures")
RUN_TABLES = (
    "assignments",
    "clusters",
    "cluster_terms",
    "metrics",
    "artifacts",
    "placements",
    "training",
    "lineage",
    "image_captions",
)
VIEWS = (
    "latest_runs",
    "newest_run",
    "series",
    "cluster_names",
    "latest_assignments",
    "cluster_cards",
    "scores",
    "leaderboard",
    "ablation",
    "significance",
    "label_free",
    "label_free_rank",
    "seed_agreement",
    "costs",
    "beside_published",
    "confusion",
    "failures_by_code",
    "changes",
    "growth",
    "moves",
)


class Lake:
    """An open lake; use it as a context manager.

    `catalogue` is a PostgreSQL URL; None takes SORTAL_CATALOGUE, else the workspace's SQLite
    file. Opening for writing creates the tables. A lake that an earlier version made is migrated.
    """

    def __init__(
        self, workspace: Workspace, read_only: bool = False, catalogue: str | None = None
    ) -> None:
        if workspace.root.exists() and not workspace.root.is_dir():
            raise UsageError(f"workspace must be a folder, got {workspace.root}")
        self._catalogue = Catalogue.configured(workspace, catalogue)
        self._read_only = read_only
        self._connection = retry(self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

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
        connection = connect()
        try:
            # Its own folder: DuckDB leaves the one it spills into open to every query, and two
            # processes that spill into the same files ruin each other's.
            spill = temporary(self._catalogue.workspace.lake / "spill")
            connection.execute("SET temp_directory = ?", [str(spill)])
            connection.execute("SET preserve_insertion_order = false")
            attach(connection, self._catalogue, read_only)
            current = prepare(connection, _definitions(), read_only)
        except BaseException:
            connection.close()
            raise
        return connection, current

    def confine(self) -> None:
        """From now on: no file outside the lake, no setting, no extension, for users' SQL."""
        folders = sorted({f"{self._catalogue.workspace.lake}/", data_folder(self._connection)})
        allowed = ", ".join(map(literal, folders))
        self._connection.execute(f"SET allowed_directories = [{allowed}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def execute(
        self, query: str, parameters: dict[str, Any] | list[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Run `query` with bound values; rows are fetched from what is returned."""
        return self._connection.execute(query, parameters)

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
    ) -> str:
        """Publish a run and its tables in one transaction; returns the run's id.

        `tables` maps names of SCAN_TABLES and RUN_TABLES to rows, matched by column name. A run
        whose fingerprint or id is already there is left as it is, and the id it has is
        returned; rows of a scan are written only once for a collection. Conflicts with other
        writers are retried. `fence()` is entered around the commit alone, and may raise to stop it.
        """
        unknown = set(tables) - {*SCAN_TABLES, *RUN_TABLES}
        if unknown:
            raise ValueError(f"unknown lake tables: {', '.join(sorted(unknown))}")
        known = self.transact(
            lambda: self._publish(run, tables), lambda known: nullcontext() if known else fence()
        )
        point("lake.committed")
        return known or run["run_id"]

    def transact(self, work: Callable[[], T], around: Around = lambda _: nullcontext()) -> T:
        """`work()` in a transaction; done again, from its start, on a conflict with others.

        The commit is made inside of `around(result)`.
        """

        def transaction() -> T:
            self.execute("BEGIN")
            try:
                result = work()
                with around(result):
                    self.execute("COMMIT")
            except BaseException:
                rollback(self._connection)
                raise
            return result

        return retry(transaction)

    def mark(self) -> None:
        """Change the row that every writer changes, so that two writers at once always conflict.

        The later one then looks again at which runs and scans exist.
        """
        self.execute("UPDATE meta SET value = value::BIGINT + 1 WHERE name = 'commits'")

    def _publish(self, run: RunRow, tables: "Mapping[str, pa.Table | Select]") -> str | None:
        """Insert the run unless it is there; the id it then has."""
        known = self.find_run(run["fingerprint"])
        if known is None and self.has_run(run["run_id"]):
            known = run["run_id"]
        if known is None:
            point("lake.begun")
            self._insert(run, tables)
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


def _definitions() -> list[str]:
    """The statements that make the tables, the views and what is said of them."""
    tables = [sql(f"schema/{path.stem}") for path in sorted((SQL / "schema").glob("*.sql"))]
    views = [f"CREATE OR REPLACE VIEW {name} AS {sql(f'views/{name}')}" for name in VIEWS]
    return [*tables, _published(), *views, sql("comments")]


def _published() -> str:
    """Statements that fill the table `published` from the file in the package."""
    with (SQL / "published.csv").open(encoding="utf-8", newline="") as file:
        lines = [", ".join(map(literal, line)) for line in csv.reader(file)]
    rows = ",\n".join(f"({line})" for line in lines[1:])
    return f"DELETE FROM published; INSERT INTO published VALUES {rows}"

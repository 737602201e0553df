"""How DuckDB attaches a lake and its leases, on either kind of catalogue."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import NamedTuple

import duckdb

from sortal.configs.errors import EmptyLakeError, UsageError
from sortal.storage.lake.catalogue import (
    DATA_VARIABLE,
    Catalogue,
    libpq_word,
    split_password,
)
from sortal.storage.lake.extensions import load_extension
from sortal.storage.lake.owner import check_owner, read_marker, refuse_new_lake
from sortal.storage.lake.sql import literal
from sortal.storage.objects.data_folder import folder_at, register

LAKE = "lake"
_SECRET = "sortal_catalogue"
_BUSY_MS = 10_000
_LOST = {  # after which a silent network counts as a lost one; PostgreSQL's own: minutes or hours
    "connect_timeout": 5,  # s
    "keepalives_idle": 10,  # s
    "keepalives_interval": 5,  # s
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # ms
}
_LOCKS = "-c lock_timeout=1000"  # ms; a lease that is locked for longer is asked for again


class Attached(NamedTuple):
    """A connection to a lake whose tables are this version's, and where its data files are."""

    connection: duckdb.DuckDBPyConnection
    folder: str


_shared: ContextVar[dict[tuple[Path, bool], Attached] | None] = ContextVar("shared", default=None)
_opening: ContextVar["Future[None] | None"] = ContextVar("opening", default=None)


@contextmanager
def attached_once() -> Iterator[None]:
    """Within the body, a lake that is offered to `share` is attached once for all who open it.

    A run opens its lake eight times, for 50 ms each, of which DuckLake reads its schema for 22.
    """
    if _shared.get() is not None:
        yield
        return
    token = _shared.set({})
    try:
        yield
    finally:
        unshare()
        _shared.reset(token)


def open_ahead(open_lake: Callable[[], None]) -> None:
    """Have a thread open a lake, which is then offered to `share`; within `attached_once` alone.

    For what waits for something else meanwhile: making a lake takes DuckDB a quarter of a second.
    Who opens a lake next waits for the thread, and is told of its error.
    """
    if _shared.get() is None:
        return
    pool = ThreadPoolExecutor(1, "lake")
    _opening.set(pool.submit(copy_context().run, open_lake))
    pool.shutdown(wait=False)


def shared(catalogue: Catalogue, read_only: bool) -> Attached | None:
    """A lake that is attached already, by a connection of one's own to it; else None."""
    if opening := _opening.get():
        _opening.set(None)
        opening.result()
    held = (_shared.get() or {}).get((catalogue.file, read_only))
    if held is None or not catalogue.file.exists():
        return None
    return held._replace(connection=_another(held.connection))


def share(attached: Attached, catalogue: Catalogue, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Offer a lake that is ready for use to those who open it next, within `attached_once`.

    Returns the connection to go on with: the one that is offered must stay open. Only a lake in a
    workspace's own file is offered: a server ends connections that are idle for long.
    """
    held = _shared.get()
    if held is None or catalogue.url is not None:
        return attached.connection
    held[catalogue.file, read_only] = attached
    return _another(attached.connection)


def _another(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    cursor = connection.cursor()
    cursor.execute(f"USE {LAKE}")
    return cursor


def unshare() -> None:
    """Offer no lake any more: what DuckDB keeps of one in memory goes with its last connection."""
    held = _shared.get()
    if held:
        held.clear()


def attach(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, read_only: bool) -> None:
    """Attach the lake as `lake` and make it the default database.

    Raises UsageError for a data folder that is not this lake's.
    """
    if catalogue.url is None:
        _attach_sqlite(connection, catalogue, read_only)
    else:
        _attach_postgres(connection, catalogue, catalogue.url, read_only)
    folder = data_folder(connection)
    register(connection, folder)
    check_owner(connection, catalogue, folder_at(folder), read_only)
    connection.execute(f"USE {LAKE}")


def attach_leases(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Attach the database of the leases as `leases`: PostgreSQL's own, else a file of its own.

    SQLite has one writer a file: renewals in the catalogue's would undo commits under way.
    """
    if catalogue.url is None:
        _load_sqlite(connection)
        catalogue.leases.parent.mkdir(parents=True, exist_ok=True)
        place, options = str(catalogue.leases), "TYPE sqlite"
    else:
        load_extension(connection, "postgres_scanner")
        place, secret = _postgres(connection, catalogue.url)
        place += f" options={libpq_word(_LOCKS)}" if " options=" not in place else ""
        options = f"TYPE postgres{f', SECRET {secret}' if secret else ''}"
    connection.execute(f"ATTACH {literal(place)} AS leases ({options})")


def data_folder(connection: duckdb.DuckDBPyConnection) -> str:
    """Where the attached lake keeps its data files, with a slash at the end."""
    found = connection.execute(f"SELECT data_path FROM ducklake_settings('{LAKE}')").fetchone()
    return f"{str((found or ('',))[0]).rstrip('/')}/"


def _attach_sqlite(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, read_only: bool
) -> None:
    catalogue.file.parent.mkdir(parents=True, exist_ok=True)
    _load_sqlite(connection)
    load_extension(connection, "ducklake")
    # WAL: without it a reader's open transaction keeps writers from committing.
    journal = "" if read_only else ", META_JOURNAL_MODE 'WAL'"
    options = f"OVERRIDE_DATA_PATH true, META_BUSY_TIMEOUT {_BUSY_MS}{journal}"
    place = _readable(catalogue.file) if read_only else catalogue.file
    _attach(connection, f"sqlite:{place}", catalogue, options, read_only)


def _load_sqlite(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extension; a table is read in one piece, by the transaction's own connection.

    Its threads each open another, which sees what others have committed since: a transaction
    would find rows by places that are no longer theirs, and see none. It is faster, too.
    """
    load_extension(connection, "sqlite_scanner")
    connection.execute("SET GLOBAL sqlite_disable_multithreaded_scans = true")


def _readable(catalog: Path) -> Path:
    """The catalogue, or a copy of it when its folder is read-only: a WAL needs files next to it."""
    if os.access(catalog.parent, os.W_OK):
        return catalog
    folder = Path(tempfile.mkdtemp(prefix="sortal-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for file in (catalog, catalog.with_name(f"{catalog.name}-wal")):
        if file.exists():
            shutil.copy(file, folder)
    return folder / catalog.name


def _attach_postgres(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, url: str, read_only: bool
) -> None:
    load_extension(connection, "postgres_scanner")
    load_extension(connection, "ducklake")
    place, secret = _postgres(connection, url)
    given = catalogue.given_data
    place_of_data = folder_at(given or "")
    if given and isinstance(place_of_data, Path) and not place_of_data.is_dir():
        raise UsageError(
            f"{DATA_VARIABLE} must be a folder that exists, or s3://BUCKET/PREFIX, got {given}; "
            "mount it"
        )
    parts = ["OVERRIDE_DATA_PATH true" if given else "", f"META_SECRET {literal(secret)}"]
    options = ", ".join(filter(None, parts if secret else parts[:1]))
    _attach(connection, f"postgres:{place}", catalogue, options, read_only)


def _postgres(connection: duckdb.DuckDBPyConnection, url: str) -> tuple[str, str]:
    """libpq's words for a URL, and the name of the secret that holds its password, if any."""
    place, password = split_password(url)
    given = {word.partition("=")[0] for word in place.split()}
    place += "".join(f" {key}={value}" for key, value in _LOST.items() if key not in given)
    if not password:
        return place, ""
    connection.execute(f"CREATE SECRET {_SECRET} (TYPE postgres, PASSWORD {literal(password)})")
    return place, _SECRET


def _attach(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    catalogue: Catalogue,
    options: str,
    read_only: bool,
) -> None:
    data = f"DATA_PATH {literal(catalogue.data)}"
    taken = read_marker(folder_at(catalogue.data)) is not None
    mode = "READ_ONLY" if read_only else "CREATE_IF_NOT_EXISTS false" if taken else ""
    clause = ", ".join(option for option in (data, options, mode) if option)
    try:
        connection.execute(f"ATTACH {literal(f'ducklake:{target}')} AS {LAKE} ({clause})")
    except duckdb.Error as error:
        if "creating a new DuckLake is explicitly disabled" in str(error):
            if taken:
                refuse_new_lake(catalogue, folder_at(catalogue.data))
            raise EmptyLakeError(
                "the lake is being made and holds no runs yet; try again in a moment"
            ) from error
        if "does not match existing data path" not in str(error):
            raise
        clause = clause.removeprefix(data).removeprefix(", ")
        options = f" ({clause})" if clause else ""
        connection.execute(f"ATTACH {literal(f'ducklake:{target}')} AS {LAKE}{options}")

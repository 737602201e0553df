"""Leases: one run of a collection at a time; a lease expires when its holder dies.

A row a collection in the catalogue's database, changed by compare-and-set, timed by its clock.
"""

import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self, TypeVar

import duckdb

from sortal.configs import LEASE_SECONDS
from sortal.configs.errors import RunError
from sortal.storage.faults import point
from sortal.storage.lake.attach import attach_leases
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.extensions import connect
from sortal.storage.lake.retry import patience, retry
from sortal.storage.lake.sql import sql
from sortal.storage.mirror import Mirror
from sortal.storage.processes import Process, is_gone, this_process
from sortal.storage.stopping import when_stopped
from sortal.storage.workspace import Workspace

log = logging.getLogger("sortal")

_CLOCK = "FROM postgres_query('leases', 'SELECT extract(epoch FROM clock_timestamp())::float8')"
T = TypeVar("T")


class Lease(NamedTuple):
    """Who holds a collection; `token` is new with every holder, `expires_at` seconds of epoch."""

    collection: str
    holder: str
    machine: str
    pid: int
    born: str
    token: str
    seconds: float
    expires_at: float

    def is_free(self, now: float) -> bool:
        """Whether another may take it: it has expired, or its process on this machine is gone."""
        return self.expires_at <= now or is_gone(Process(self.machine, self.pid, self.born))


@contextmanager
def hold(
    workspace: Workspace, collection: str, seconds: float = LEASE_SECONDS, name: str = "a run"
) -> Iterator[str]:
    """Hold a collection's lease, renewed every third of `seconds`; yields its token.

    Raises RunError at once, naming the holder and when the lease ends, while another holds it.
    """
    token = acquire(workspace, collection, seconds, name)
    done = threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(workspace, collection, token, seconds, done), daemon=True
    )
    keeper.start()
    point("lease.held")
    try:
        with when_stopped(lambda: _release(workspace, collection, token)):
            yield token
    finally:
        done.set()
        keeper.join()
        _release(workspace, collection, token)


def acquire(workspace: Workspace, collection: str, seconds: float, name: str = "a run") -> str:
    """Take a collection's lease for `seconds` and return its token; RunError while it is held."""
    holder = f"{name} (process {os.getpid()} on {platform.node()})"
    token = uuid.uuid4().hex

    def take(table: LeaseTable) -> str:
        now, held = table.now(), table.of(collection)
        if held and held.token == token:  # a commit whose answer was lost
            return token
        if held and not held.is_free(now):
            raise RunError(_refusal(held, now))
        if held:
            table.execute("drop", collection=collection, token=held.token)
        lease = Lease(collection, holder, *this_process(), token, seconds, now + seconds)
        table.execute("take", **lease._asdict())
        return token

    with LeaseTable(workspace) as table:
        return table.change(take)


def _refusal(held: Lease, now: float) -> str:
    seen = held.expires_at - held.seconds
    return (
        f"one run a collection at a time: {held.collection} is being sorted by {held.holder}, "
        f"last seen {max(0.0, now - seen):.0f} s ago, at {_clock(seen)}; wait for it, or stop it. "
        f"It is seen every {held.seconds / 3:.0f} s; if not, it may be dead, and its lease ends "
        f"{held.expires_at - now:.0f} s from now, at {_clock(held.expires_at)}"
    )


def _clock(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC):%H:%M:%S} UTC"


def confirm(workspace: Workspace, collection: str, token: str) -> None:
    """Renew a lease; raises RunError when another has taken it."""
    with LeaseTable(workspace) as table:
        table.change(lambda it: _renew(it, collection, token))


@contextmanager
def fence(workspace: Workspace, collection: str, token: str) -> Iterator[None]:
    """Renew a lease and keep its row locked while the body commits what the lease protects.

    So nobody takes the lease between the check and the end of the body, however long that is: who
    wants it waits. Raises RunError, before the body, when another has taken it.
    """
    with LeaseTable(workspace) as table, table.locked(lambda it: _renew(it, collection, token)):
        yield


def _renew(table: "LeaseTable", collection: str, token: str) -> None:
    held = table.of(collection)
    if held is None or held.token != token:
        other = f"{held.holder} has taken it" if held else "it has been released"
        raise RunError(
            f"a run must hold the lease of {collection} to publish, and {other}; "
            "nothing was published, run again"
        )
    expires_at = table.now() + held.seconds
    table.execute("renew", collection=collection, token=token, expires_at=expires_at)


def active(workspace: Workspace) -> list[Lease]:
    """The leases that are held now, by collection."""
    with LeaseTable(workspace) as table:
        return table.change(_held)


def _held(table: "LeaseTable") -> list[Lease]:
    now = table.now()
    return [lease for lease in table.all() if not lease.is_free(now)]


def _keep(
    workspace: Workspace, collection: str, token: str, seconds: float, done: threading.Event
) -> None:
    while not done.wait(seconds / 3):
        try:
            confirm(workspace, collection, token)
        except RunError as error:  # publishing will ask again, and stop the run if it must
            log.warning("lease of %s: %s", collection, error)


def check_reachable(workspace: Workspace) -> None:
    """Raise RunError, in a moment, where the environment's PostgreSQL or bucket cannot be used.

    For commands, before they load what takes long. Makes nothing.
    """
    catalogue = Catalogue.configured(workspace)
    if mirror := Mirror.of(workspace):
        mirror.bucket.require(write=False)

    def attached() -> None:
        with connect() as connection:
            attach_leases(connection, catalogue)

    if catalogue.is_postgres:
        retry(attached, catalogue.name)


def _release(workspace: Workspace, collection: str, token: str) -> None:
    try:
        with patience(0), LeaseTable(workspace) as table:
            table.change(lambda it: it.execute("drop", collection=collection, token=token))
    except RunError as error:  # a full disk, a lost database; it ends by itself
        log.warning("lease of %s: %s", collection, error)


class LeaseTable:
    """The table of leases, open; `change` runs a function in one transaction."""

    def __init__(self, workspace: Workspace) -> None:
        self._catalogue = Catalogue.configured(workspace)
        self._connection = retry(self._open, self._catalogue.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = connect()
        try:
            attach_leases(connection, self._catalogue)
            connection.execute(sql("lease/table"))
        except BaseException:
            connection.close()
            raise
        return connection

    def change(self, work: Callable[["LeaseTable"], T]) -> T:
        """`work(self)`, completely or not at all, and again when another changed the table."""
        return retry(lambda: self._transaction(work), self._catalogue.name, self._reconnect)

    @contextmanager
    def locked(self, work: Callable[["LeaseTable"], T]) -> Iterator[T]:
        """`work(self)`; the rows it changed stay locked until the body is done."""
        result = retry(lambda: self._begin(work), self._catalogue.name, self._reconnect)
        try:
            yield result
        finally:
            try:
                self._connection.execute("COMMIT")
            except duckdb.Error as error:  # what the body did is done; the lease is renewed again
                log.warning("lease: %s", error)

    def _transaction(self, work: Callable[["LeaseTable"], T]) -> T:
        result = self._begin(work)
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            self._undo()
            # SQLite keeps its lock after a commit that found others reading; DuckDB takes that
            # transaction for gone, so only closing the connection releases the lock; several that
            # keep one and try again wait for each other.
            retry(self._reconnect, self._catalogue.name)
            raise
        return result

    def _reconnect(self) -> None:
        self._connection.close()
        self._connection = self._open()

    def _begin(self, work: Callable[["LeaseTable"], T]) -> T:
        """`work(self)` in a transaction that is left open, unless it fails."""
        self._connection.execute("BEGIN")
        try:
            return work(self)
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:  # a failed COMMIT has already rolled back
            log.debug("nothing to roll back")

    def now(self) -> float:
        """Seconds of epoch by the database's clock; SQLite's is this machine's."""
        if not self._catalogue.is_postgres:
            return time.time()
        return float((self._connection.execute(_CLOCK).fetchone() or (0.0,))[0])

    def of(self, collection: str) -> Lease | None:
        """A collection's lease, expired or not."""
        found = self._connection.execute(sql("lease/one"), {"collection": collection}).fetchone()
        return Lease(*found) if found else None

    def all(self) -> list[Lease]:
        """Every lease, expired or not."""
        return [Lease(*row) for row in self._connection.execute(sql("lease/all")).fetchall()]

    def execute(self, name: str, **values: Any) -> None:
        """Run `storage/sql/lease/<name>.sql` with bound values."""
        self._connection.execute(sql(f"lease/{name}"), values)

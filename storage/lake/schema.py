"""The lake's tables and views: made when it is new, migrated when their SQL has changed."""

import hashlib
import logging
from contextlib import suppress

import duckdb

from sortal.configs.errors import RunError, UsageError

log = logging.getLogger("sortal")

SCHEMA_VERSION = 2


def prepare(connection: duckdb.DuckDBPyConnection, definitions: list[str], read_only: bool) -> bool:
    """Run `definitions` unless the lake was made by the same ones, or may only be read.

    Returns whether the lake is now as they say. Raises RunError for a lake of a newer Sortal,
    UsageError for an empty one that may only be read.
    """
    found = _meta(connection)
    version = int(found.get("schema_version", 0))
    if version > SCHEMA_VERSION:
        raise RunError(
            f"the lake's schema is version {version}, this Sortal knows {SCHEMA_VERSION}; "
            "upgrade sortal"
        )
    digest = hashlib.sha256("\n".join(definitions).encode()).hexdigest()
    if read_only and not version:
        raise UsageError("the lake holds no runs yet; make one with `sortal cluster`")
    if version == SCHEMA_VERSION and found.get("schema") == digest:
        return True
    if not read_only:
        _create(connection, definitions, digest)
        if version:
            log.info("the lake of an earlier version has this one's tables, views and names now")
    return not read_only


def _create(connection: duckdb.DuckDBPyConnection, statements: list[str], digest: str) -> None:
    connection.execute("BEGIN")
    try:
        for statement in statements:
            connection.execute(statement)
        commits = _meta(connection).get("commits", "0")
        connection.execute("DELETE FROM meta")
        connection.execute(
            "INSERT INTO meta VALUES ('schema_version', $v), ('schema', $d), ('commits', $c)",
            {"v": str(SCHEMA_VERSION), "d": digest, "c": commits},
        )
        connection.execute("COMMIT")
    except BaseException:
        rollback(connection)
        raise


def _meta(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    try:
        return dict(connection.execute("SELECT name, value FROM meta").fetchall())
    except duckdb.CatalogException:  # asking for it costs less than listing the tables first
        return {}


def rollback(connection: duckdb.DuckDBPyConnection) -> None:
    """Undo the transaction under way, if there is one."""
    with suppress(duckdb.Error):  # a failed COMMIT has already rolled back
        connection.execute("ROLLBACK")

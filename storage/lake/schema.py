"""The lake's tables and views: made when it is new, migrated when their SQL has changed."""

import csv
import hashlib
import logging
from contextlib import suppress
from functools import cache

import duckdb

from sortal.configs.errors import EmptyLakeError, RunError
from sortal.storage.lake.sql import SQL, compared, literal, sql

log = logging.getLogger("sortal")

SCHEMA_VERSION = 2

SCAN_TABLES = (
    "images",
    "failures",
    "looks",
    "quality_flags",
    "near_duplicates",
    "map_points",
    "looked",
)
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
    "candidate_scores",
    "count_scores",
    "cluster_nodes",
    "resampled",
    "written_names",
)
VIEWS = (
    "latest_runs",
    "newest_run",
    "series",
    "cluster_names",
    "suggested_names",
    "roots",
    "latest_assignments",
    "criteria",
    "cluster_cards",
    "run_settings",
    "scores",
    "leaderboard",
    "ceilings",
    "ablation",
    "significance",
    "candidates",
    "cluster_counts",
    "cluster_tree",
    "cluster_path",
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
    "duplicates",
    "flagged_images",
    "latest_map",
)
COMPARISONS = {"image_changes": "files", "moved_images": "moved"}  # views, of storage/sql/compare/


def prepare(connection: duckdb.DuckDBPyConnection, read_only: bool) -> bool:
    """Make tables and views unless they are this version's, or may only be read.

    Returns whether the lake is now as they say. Raises RunError for a lake of a newer Sortal,
    EmptyLakeError for an empty one that may only be read.
    """
    found = _meta(connection)
    version = int(found.get("schema_version", 0))
    if version > SCHEMA_VERSION:
        raise RunError(
            f"the lake's schema is version {version}, this Sortal knows {SCHEMA_VERSION}; "
            "upgrade sortal"
        )
    definitions, digest = _definitions()
    if read_only and not version:
        raise EmptyLakeError("the lake holds no runs yet; make one with `sortal cluster`")
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


@cache
def _definitions() -> tuple[list[str], str]:
    """The statements that make the tables, the views and what is said of them, and their digest."""
    tables = [sql(f"schema/{path.stem}") for path in sorted((SQL / "schema").glob("*.sql"))]
    views = {name: sql(f"views/{name}") for name in VIEWS}
    views |= {name: compared(part, "latest") for name, part in COMPARISONS.items()}
    made = [f"CREATE OR REPLACE VIEW {name} AS {text}" for name, text in views.items()]
    statements = [*tables, _published(), *made, sql("comments")]
    return statements, hashlib.sha256("\n".join(statements).encode()).hexdigest()


def _published() -> str:
    """Statements that fill the table `published` from the file in the package."""
    with (SQL / "published.csv").open(encoding="utf-8", newline="") as file:
        lines = [", ".join(map(literal, line)) for line in csv.reader(file)]
    rows = ",\n".join(f"({line})" for line in lines[1:])
    return f"DELETE FROM published; INSERT INTO published VALUES {rows}"

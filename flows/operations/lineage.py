"""What `sortal rename` and `sortal diff` do: names and marks that stay, and what moved."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from sortal.configs.errors import UsageError
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.compare import changed_files
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.runs import newest_run
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import NO_KIND

log = logging.getLogger("sortal")

_CLEAR = "DELETE FROM pins WHERE series = $series AND stable_id = $id"
_PIN = "INSERT INTO pins VALUES ($series, $id, $name, $now)"
MARKS = ("done", "to delete")
_UNMARK = "DELETE FROM marks WHERE series = $series AND stable_id = $id"
_MARK = "INSERT INTO marks VALUES ($series, $id, $mark, $now)"


def rename(workspace: Path, cluster: str | int, name: str | None, run: str | None) -> str:
    """Pin a name to a cluster of a run (default: the newest), or with None take the pin away.

    `cluster` is a stable id or the present name; a number is an id alone. The name holds for the
    cluster in every run of the series, past and to come. Returns a sentence that says what was
    done; raises UsageError for a cluster that is not there, or a name that is another's.
    """
    wanted = _checked(name)
    Catalogue.configured(Workspace(workspace)).require()
    with Lake(Workspace(workspace.resolve())) as lake:
        return lake.transact(lambda: _rename(lake, cluster, wanted, run))


def _checked(name: str | None) -> str | None:
    if name is None:
        return None
    clean = " ".join(name.split())
    if not clean or len(clean) > 200 or not clean.isprintable():
        raise UsageError(f"a name must have 1 to 200 printable characters, got {name[:40]!r}")
    return clean


def mark(workspace: Path, cluster: str | int, word: str | None, run: str | None) -> str:
    """Mark a cluster of a run (default: the newest) as one of MARKS, or with None as nothing.

    `cluster` is as for `rename`, and the mark holds as long as a name does. Returns a sentence
    that says what was done; raises UsageError for a cluster that is not there, or another word.
    """
    if word is not None and word not in MARKS:
        raise UsageError(f"a mark must be one of {', '.join(MARKS)}, got {word[:40]!r}")
    Catalogue.configured(Workspace(workspace)).require()
    with Lake(Workspace(workspace.resolve())) as lake:
        return lake.transact(lambda: _mark(lake, cluster, word, run))


def _mark(lake: Lake, cluster: str | int, word: str | None, run: str | None) -> str:
    row = _target(lake, cluster, run)[0]
    place = {"series": row["series"], "id": row["stable_id"]}
    lake.mark()
    lake.execute(_UNMARK, place)
    if word is not None:
        lake.execute(_MARK, {**place, "mark": word, "now": _now()})
    return f"cluster {row['stable_id']} ({row['name']}) is marked {word or 'no more'}"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _target(
    lake: Lake, cluster: str | int, run: str | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The cluster that is meant, and all of its run."""
    run_id = newest_run(lake, run)["run_id"]
    rows = lake.query(sql("lineage/target"), {"run": run_id}).to_pylist()
    return _find(rows, cluster, run_id), rows


def _rename(lake: Lake, cluster: str | int, name: str | None, run: str | None) -> str:
    row, rows = _target(lake, cluster, run)
    place = {"series": row["series"], "id": row["stable_id"]}
    if row["stable_id"] == NO_KIND:
        raise UsageError(f"a cluster to rename must be a kind, got {NO_KIND}, images without one")
    if name is None and not row["pinned"]:
        raise UsageError(f"cluster {row['stable_id']} ({row['name']}) has no pinned name")
    taken = [other for other in rows if name and other["name"].lower() == name.lower()]
    if any(other["stable_id"] != row["stable_id"] for other in taken):
        raise UsageError(
            f"names must differ: {name!r} is cluster {taken[0]['stable_id']} of run "
            f"{row['run_id']}; choose another, or rename that one first"
        )
    lake.mark()
    lake.execute(_CLEAR, place)
    lake.execute(sql("lineage/pin"), {**place, "name": name})
    if name is None:
        return f"cluster {row['stable_id']} has its own name again"
    lake.execute(_PIN, {**place, "name": name, "now": _now()})
    return f"cluster {row['stable_id']} ({row['name']}) is now {name}"


def _find(rows: list[dict[str, Any]], cluster: str | int, run_id: str) -> dict[str, Any]:
    named = [row for row in rows if row["name"] == cluster]
    if not named:
        named = [row for row in rows if str(row["stable_id"]) == str(cluster)]
    if not named and isinstance(cluster, str):
        named = [row for row in rows if row["name"].lower() == cluster.lower()]
    if len(named) == 1:
        return named[0]
    known = ", ".join(f"{row['stable_id']} {row['name']}" for row in rows[:10])
    more = ", ..." if len(rows) > 10 else ""
    raise UsageError(
        f"CLUSTER must be the stable id or name of a cluster of run {run_id}, "
        f"got {cluster!r}; it has {known}{more}"
    )


def diff_images(lake: Lake, first: str, second: str) -> duckdb.DuckDBPyConnection:
    """The files that changed between two runs of one collection, or are of another kind now.

    Kinds are compared within a series alone, by id. Raises UsageError for a run that is not there,
    or is of another collection.
    """
    rows = [newest_run(lake, run) for run in (first, second)]
    past, present = ((row["collection"], row["series"]) for row in rows)
    if past[0] != present[0]:
        both = f"{past[0]} and {present[0]}"
        raise UsageError(f"diff --images takes two runs of one collection, got runs of {both}")
    return changed_files(lake, first, second, kinds=past == present)


def diff(lake: Lake, first: str, second: str) -> duckdb.DuckDBPyConnection:
    """What moved between two runs: images counted by cluster in the one and the other.

    A null cluster is where an image was not yet, or is no more. Runs of one series compare by
    stable id and leave out what stayed; others show every pair of clusters that share images.
    Raises UsageError for a run that is not there.
    """
    names = [newest_run(lake, run)["collection"] for run in (first, second)]
    if names[0] != names[1]:
        log.warning(
            "the runs are of two collections, %s and %s: what both hold is compared by content",
            *names,
        )
    series = dict(lake.execute("SELECT run_id, series FROM series").fetchall())
    values = {"first": first, "second": second, "all": series[first] != series[second]}
    return lake.execute(sql("lineage/diff"), values)

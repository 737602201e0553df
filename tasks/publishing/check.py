"""A run's rows in the lake against the artifacts that they came from, and from them again.

Artifacts carry hashes and the lake's files do not, so the artifacts are taken to be right.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, get_type_hints

from sortal.configs.errors import counted
from sortal.storage.artifacts import Artifact, find
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import RunRow, series_of
from sortal.storage.lake.schema import SCAN_TABLES
from sortal.storage.lake.sql import Select, one_row, sql
from sortal.storage.maintenance.verify import Finding
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS
from sortal.tasks.publishing.rows import (
    RunParts,
    caption_files,
    caption_role,
    captions_of,
    files_of,
    lineage_of,
    tables_of,
)

_FILES = {  # by role, in the order of files_of
    "scan": ["images.parquet"],
    "image_vectors": ["failures.parquet"],
    "fused": ["weights.parquet"],
    "partition": [ASSIGNMENTS],
    "names": ["clusters.parquet", "terms.parquet"],
    "lineage": ["lineage.parquet"],
}
_OPTIONAL = ("lineage",)  # a collection's first run has none


def check_run(lake: Lake, workspace: Workspace, run: RunRow) -> Iterator[Finding]:
    """The tables whose rows of a run are not what its artifacts hold, where those are sound.

    Without sound artifacts only the numbers of rows are compared, and nothing can be repaired.
    """
    place = f"lake, run {run['run_id']}"
    wanted = _wanted(lake, workspace, run)
    for name, rows in wanted.items():
        lacking, surplus = _differences(lake, name, rows, run)
        if lacking or surplus:
            less, more = counted(lacking, "row"), counted(surplus, "other")
            wrong = f"{name} lacks {less} of its artifacts and has {more}"
            yield Finding(place, wrong, partial(_restore, lake, name, rows, run))
    assigned, in_clusters = lake.execute(
        sql("verify/sizes"), {"run_id": run["run_id"]}
    ).fetchone() or (0, 0)
    if not wanted and (assigned != in_clusters or not assigned):
        counts = f"{counted(assigned, 'assignment')}, {counted(in_clusters, 'image')} in clusters"
        wrong = f"{counts}, no sound artifacts"
        yield Finding(place, wrong, None)


def lost_runs(lake: Lake, workspace: Workspace) -> Iterator[Finding]:
    """Runs whose artifact is there and whose row is not: lost with a file, or pruned."""
    for path in sorted(workspace.artifacts.glob("run/*/run.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        if not lake.has_run(run["run_id"]):
            wrong = "its row in runs is missing"
            yield Finding(f"lake, run {run['run_id']}", wrong, partial(_restore_row, lake, run))


def _restore_row(lake: Lake, run: dict[str, Any]) -> None:
    row: dict[str, Any] = {"protocol": "whole"}  # what runs had before there was another
    for name, kind in get_type_hints(RunRow).items():
        if name in run:
            row[name] = _naive(run[name]) if kind is datetime else run[name]
    waited = row["finished_at"] - row["started_at"]  # of a run from before it was written down
    row.setdefault("wall_seconds", waited.total_seconds())
    row.setdefault("series", series_of(**row))
    lake.append("runs", one_row(row))


def _naive(text: str) -> datetime:
    """A time with a zone, as the lake has it: UTC without one."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _wanted(lake: Lake, workspace: Workspace, run: RunRow) -> dict[str, Select]:
    """What the tables must hold of a run, or nothing where an artifact is damaged or gone."""
    query = "SELECT role, kind, fingerprint FROM artifacts WHERE run_id = $run_id"
    places = lake.execute(query, {"run_id": run["run_id"]}).fetchall()
    found = {
        role: find(workspace, kind, key, only=_FILES[role])
        for role, kind, key in places
        if role in _FILES
    }
    needed = [role for role in _FILES if role in found or role not in _OPTIONAL]
    if not all(found.get(role) for role in needed):
        return {}
    captioned = _captions(workspace, places)
    if not all(captioned.values()):
        return {}
    parts = [found.get(role) for role in _FILES]
    files = files_of(workspace, RunParts(*parts))  # type: ignore[arg-type]
    files |= caption_files(workspace, captioned)  # type: ignore[arg-type]
    tables = {**tables_of(run, files, {}), **lineage_of(run, files, found.get("lineage"))}
    tables |= captions_of(run, files)
    return {name: rows for name, rows in tables.items() if isinstance(rows, Select)}


def _captions(
    workspace: Workspace, places: list[tuple[str, str, str]]
) -> dict[str, Artifact | None]:
    """By role, what the rows of a run's captions come from; nothing for a run without them."""
    roles = {role: (kind, key) for role, kind, key in places}
    captions = caption_role(roles)
    wanted = (captions, "train.partition", "partition") if captions else ()
    return {role: find(workspace, *roles[role]) for role in wanted if role in roles}


def _place(name: str, run: RunRow) -> tuple[str, dict[str, Any]]:
    if name in SCAN_TABLES:
        keys = {"scan": run["scan"], "collection": run["collection"]}
        return "scan = $scan AND collection = $collection", keys
    return "run_id = $run_id", {"run_id": run["run_id"]}


def _differences(lake: Lake, name: str, rows: Select, run: RunRow) -> tuple[int, int]:
    where, keys = _place(name, run)
    kept = _columns(lake, f"FROM {name}", {})  # an older lake may lack the newest ones
    columns = ", ".join(each for each in _columns(lake, rows.sql, rows.parameters) if each in kept)
    source = f"SELECT {columns} FROM ({rows.sql})"
    there = f"SELECT {columns} FROM {name} WHERE {where}"
    lacking = f"SELECT count(*) FROM (({source}) EXCEPT ALL ({there}))"
    surplus = f"SELECT count(*) FROM (({there}) EXCEPT ALL ({source}))"
    both = {**rows.parameters, **keys}
    first, second = (lake.execute(query, both).fetchone() or (0,) for query in (lacking, surplus))
    return int(first[0]), int(second[0])


def _columns(lake: Lake, query: str, values: dict[str, Any]) -> list[str]:
    found = lake.execute(f"SELECT * FROM ({query}) LIMIT 0", values).description or []
    return [f'"{column[0]}"' for column in found]


def _restore(lake: Lake, name: str, rows: Select, run: RunRow) -> None:
    where, keys = _place(name, run)

    def replace() -> None:
        lake.mark()
        lake.execute(f"DELETE FROM {name} WHERE {where}", keys)
        lake.execute(f"INSERT INTO {name} BY NAME {rows.sql}", rows.parameters)

    lake.transact(replace)

"""What is exported: images of a run, by kind and by a condition over the confined lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import UsageError
from sortal.flows.operations.assign import StoredRun, load_run
from sortal.flows.operations.query import answer, reading, sql_errors
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.runs import run_of
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace

LATEST = "latest"
COLUMNS = (  # of tables, in this order
    "path", "uri", "key", "cluster_id", "name", "distance", "label", "split", "width", "height",
    "format", "bytes", "taken_at", "camera_make", "camera_model", "latitude", "longitude",
)  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """Images of a run: a row each (COLUMNS and offset), by kind and path."""

    workspace: Workspace
    run: StoredRun
    rows: pa.Table

    @property
    def kinds(self) -> list[tuple[int, str]]:
        """The stable id and the name of each kind, by id."""
        ids, names = self.rows["cluster_id"].to_pylist(), self.rows["name"].to_pylist()
        found = dict(zip(ids, names, strict=True))
        return [(id_, found[id_] or f"cluster {id_}") for id_ in sorted(found)]


def select(
    root: Path, run: str = LATEST, kinds: Sequence[str] = (), where: str | None = None
) -> Selection:
    """The images of a run whose kind is one of `kinds` (default: any) and that fulfil `where`.

    `run` is `latest`, an id, or the beginning of one; a kind its stable id or its name. `where` is
    a condition of SQL over COLUMNS, which may ask the rest of the lake. Raises UsageError for a
    run or kind that is not there, for SQL that is wrong, and where nothing is left.
    """
    workspace = Workspace(root).create()
    stored = load_run(workspace, None if run == LATEST else _run_id(workspace, run), None)
    query = f"FROM ({sql('export/rows')}\n)"
    if where is not None:
        if not where.strip():
            raise UsageError("--where must be a condition, such as \"label = 'cat'\", got nothing")
        query += f" WHERE (\n{where}\n)"
    with reading(root) as lake, sql_errors():
        rows = answer(lake, query, {"run": stored.run_id}).to_arrow_table()
    rows = _of_kinds(rows, stored, kinds)
    if not rows.num_rows:
        raise UsageError(f"no image of run {stored.run_id} fulfils --kind and --where")
    order = [("cluster_id", "ascending"), ("path", "ascending"), ("key", "ascending")]
    return Selection(workspace, stored, rows.sort_by(order))


def _run_id(workspace: Workspace, run: str) -> str:
    with Lake(workspace, read_only=True) as lake:
        return run_of(lake, run)


def _of_kinds(rows: pa.Table, run: StoredRun, kinds: Sequence[str]) -> pa.Table:
    if not kinds:
        return rows
    ids = run.clusters["stable_id"].to_pylist()
    names = run.clusters["name"].to_pylist()
    wanted: set[int] = set()
    for kind in kinds:
        found = {
            id_
            for id_, name in zip(ids, names, strict=True)
            if str(id_) == kind.strip() or (name or "").casefold() == kind.strip().casefold()
        }
        if not found:
            known = ", ".join(f"{id_} {name}" for id_, name in sorted(zip(ids, names, strict=True)))
            raise UsageError(f"--kind must be a kind of run {run.run_id}, got {kind!r}: {known}")
        wanted |= found
    return rows.filter(pc.is_in(rows["cluster_id"], pa.array(sorted(wanted), pa.int64())))

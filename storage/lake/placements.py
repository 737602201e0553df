"""Placements in the lake: images put into a run's clusters after the run, one row a path."""

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.storage.atomic import temporary_folder
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select, sql
from sortal.storage.workspace import Workspace


def record(workspace: Workspace, run_id: str, source: str, rows: pa.Table, at: datetime) -> None:
    """Write `rows` into `placements` in one transaction.

    Rows of the same run, source, path and key take the place of earlier ones, so placing the
    same files again doubles nothing. `at` is UTC without a zone.
    """
    place = {"run": run_id, "source": source}
    with Lake(workspace) as lake, temporary_folder(workspace.lake / "placements") as folder:
        file = folder / "rows.parquet"
        pq.write_table(rows, file)
        new = Select(sql("placements/rows"), {**place, "placed_at": at, "file": str(file)})

        def replace() -> None:
            lake.mark()  # two writers of the same rows must not both append them
            lake.execute(sql("placements/stale"), {**place, "file": str(file)})
            lake.append("placements", new)

        lake.transact(replace)

"""Cells of benchmarks in the lake: which run a cell came to, or why it came to none."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import one_row, sql


class CellRow(TypedDict):
    """A row of `cells`; `run_id` is None where the cell failed, with `error` in one line."""

    cell: str
    collection: str
    protocol: str
    encoder: str
    method: str
    random_state: int
    run_id: str | None
    error: str | None
    seconds: float
    finished_at: datetime


def known_runs(lake: Lake, cells: Sequence[str]) -> dict[str, str]:
    """The run of each of these cells that has one which is still in the lake."""
    return dict(lake.execute(sql("cells/known"), {"cells": list(cells)}).fetchall())


def record(lake: Lake, row: CellRow) -> None:
    """Write what became of a cell, in place of what became of it before."""

    def replace() -> None:
        lake.mark()
        lake.execute("DELETE FROM cells WHERE cell = $cell", {"cell": row["cell"]})
        lake.append("cells", one_row(row))

    lake.transact(replace)


def summary(lake: Lake, cells: Sequence[str]) -> list[dict[str, Any]]:
    """Means and standard deviations over seeds, a row each collection, encoder and method."""
    return lake.query(sql("cells/summary"), {"cells": list(cells)}).to_pylist()


def seconds_by_method(lake: Lake) -> dict[tuple[str, str], float]:
    """Mean seconds that cells took, by collection and method."""
    rows = lake.execute(sql("cells/seconds")).fetchall()
    return {(collection, method): seconds for collection, method, seconds in rows}

"""Runs in processes of their own that kill themselves where a test says."""

import os
from pathlib import Path

from sortal.configs.schema import RunConfig
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES
from sortal.storage.workspace import Workspace

_TIMES = ("seconds", "peak_mb")  # of metrics, differ between any two runs


def go(config: RunConfig, fault: str = "", log: Path | None = None) -> None:
    """One whole run without Prefect, dying at `fault`; writes the run id to `log`."""
    os.environ |= {"SORTAL_TESTING": "1", "SORTAL_FAULT": fault}
    result = recluster.fn(config)
    if log is not None:
        log.write_text(result.run_id)


def final_tables(workspace: Workspace) -> dict[str, list[tuple]]:
    """Every row of every table, sorted, without ids and times of runs."""
    found = {}
    with Lake(workspace, read_only=True) as lake:
        for name in (*SCAN_TABLES, *RUN_TABLES, "runs"):
            found[name] = sorted(map(repr, _rows(lake, name)))
    return found


def _rows(lake: Lake, name: str) -> list[dict]:
    drop = {"run_id", "started_at", "finished_at", "seconds", "created_at", "config", "source"}
    drop |= {"cpu_seconds", "peak_mb", "wall_seconds"}
    rows = lake.query(f"FROM {name}").to_pylist()
    if name == "metrics":
        rows = [row for row in rows if not row["name"].startswith(_TIMES)]
    return [{key: value for key, value in row.items() if key not in drop} for row in rows]

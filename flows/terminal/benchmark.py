"""What `sortal benchmark` prints."""

import json
import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortal.configs.commands.benchmark import BenchmarkConfig
from sortal.flows.process.home import settle_home
from sortal.flows.terminal.logs import log_to_terminal, quiet_prefect
from sortal.storage.lake.lease import check_reachable
from sortal.storage.workspace import Workspace
from sortal.tasks.shown import shown

if TYPE_CHECKING:  # importing it for real would start Prefect before its log is silenced
    from sortal.flows.benchmark.flow import BenchmarkResult


def run_benchmark(config: BenchmarkConfig, *, as_json: bool = False) -> bool:
    """Run what is missing and print the summary; whether every cell has a run.

    With nothing missing no server is started.
    """
    Workspace(config.workspace).create()
    settle_home(config.workspace)
    check_reachable(Workspace(config.workspace))
    quiet_prefect()
    from sortal.flows.benchmark.flow import benchmark, summed_up
    from sortal.flows.benchmark.grid import cells_of, missing, unused_by
    from sortal.flows.process.server import begin_server, reach_server

    log_to_terminal(logging.WARNING if as_json else logging.INFO)
    workspace = Workspace(config.workspace).create()
    cells = cells_of(config, workspace)
    for line in unused_by(config, cells):
        logging.getLogger("sortal").warning("%s", line)
    todo = missing(workspace, cells)
    if not as_json:
        logging.getLogger("sortal").info("%d of %d cells are missing", len(todo), len(cells))
    if todo:
        reach_server()
        begin_server()()
    result = benchmark(config) if todo else summed_up(workspace, cells)
    if as_json:
        print(json.dumps(result.model_dump()))
        return not result.n_failed
    show_result(result, config.protocol)
    return not result.n_failed


def show_result(result: "BenchmarkResult", protocol: str) -> None:
    """A table for each collection and encoder, then what failed."""
    console = Console()
    places = groupby(result.rows, lambda row: (row["collection"], row["encoder"]))
    for (collection, encoder), rows in places:
        console.print(_table(f"{collection}, {encoder}, protocol {protocol}", list(rows)))
    for row in result.rows:
        if row["failed"]:
            line = f"{row['collection']} {row['method']}: {row['error']}"
            console.print(shown(line), soft_wrap=True, markup=False)
    if any(row["labels_used"] for row in result.rows):
        console.print("(l): saw labels or class names; left out of the leaderboard")


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    from sortal.flows.benchmark.flow import spread

    table = Table(title=Text(shown(title)), title_justify="left")
    for column in ("method", "seeds", "ACC", "NMI", "ARI", "seconds"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        method = f"{row['method']} (l)" if row["labels_used"] else row["method"]
        seeds = f"{row['seeds']}, {row['failed']} failed" if row["failed"] else str(row["seeds"])
        scores = [spread(row, name) for name in ("acc", "nmi", "ari")]
        table.add_row(method, seeds, *scores, f"{row['seconds']:.1f}")
    return table

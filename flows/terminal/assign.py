"""What `sortal assign` prints: the rows on stdout or into a file, what they say on stderr."""

import logging
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortal.configs import QUANTILE
from sortal.configs.commands.assign import AssignConfig
from sortal.configs.errors import UsageError, counted
from sortal.flows.operations.assign import StoredRun, assign
from sortal.flows.terminal.formats import check_format, write
from sortal.flows.terminal.logs import log_to_terminal
from sortal.storage.workspace import Workspace
from sortal.tasks.shown import shown

_SHOWN = 40  # clusters in the summary
_IDS = {
    "key",
    "next_cluster_id",
    "next_distance",
    "status",
    "stable_id",
    "cluster",
    "next_cluster",
}  # columns left out of a table


@dataclass(frozen=True)
class AssignRequest:
    """What is asked of `sortal assign`; without `run` and `collection` the newest run is taken."""

    workspace: Path
    source: str
    run: str | None = None
    collection: str | None = None
    quantile: float = QUANTILE
    column: str | None = None
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    record: bool = True

    def settings(self) -> AssignConfig:
        """The settings; raises UsageError for a quantile that is none."""
        if not 0 < self.quantile < 1:
            raise UsageError(
                f"--quantile must be between 0 and 1, both left out; got {self.quantile}"
            )
        return AssignConfig(
            quantile=self.quantile,
            column=self.column,
            exclude=self.exclude,
            include=self.include,
        )


def run_assign(request: AssignRequest, output: str = "table", file: Path | None = None) -> None:
    """Assign for a person at a terminal; a bad format is refused before any work."""
    check_format(output, file)
    settings = request.settings()
    log_to_terminal(logging.INFO)
    workspace = Workspace(request.workspace.resolve())
    stored, rows = assign(
        workspace, request.source, request.run, request.collection, settings, request.record
    )
    print_rows(rows, output, file)
    print_summary(stored, rows, settings, request.record)


def print_rows(rows: pa.Table, output: str, file: Path | None) -> None:
    """Write the rows in one of FORMATS; a table has the columns that a person reads."""
    if output == "table":
        rows = rows.select([name for name in rows.column_names if name not in _IDS])
    with duckdb.connect() as connection:
        connection.register("placed", rows)
        write(connection.execute("FROM placed"), output, file)


def print_summary(
    stored: StoredRun, rows: pa.Table, settings: AssignConfig, recorded: bool
) -> None:
    """How many went where, how many are unlike anything seen, and what that means."""
    console = Console(stderr=True)
    good = rows.filter(pc.equal(rows["status"], "ok"))
    console.print(_by_cluster(stored, good))
    n_unlike = int(pc.sum(good["unlike"]).as_py() or 0)
    share = n_unlike / max(good.num_rows, 1)
    percent = 100 * settings.quantile
    console.print(
        f"{n_unlike:,} of {good.num_rows:,} ({share:.1%}) are unlike anything seen: farther from "
        f"their cluster's centre than {percent:.4g} % of the run's own images of that "
        f"cluster, the column threshold (of all its images, where a cluster has fewer than "
        f"{settings.min_images}). Of images like the run's, about {100 - percent:.2g} % are.",
        soft_wrap=True,
    )
    if good.num_rows < rows.num_rows:
        console.print(
            f"{counted(rows.num_rows - good.num_rows, 'input')} failed; error_code says why"
        )
    if recorded:
        console.print('recorded: sortal sql "FROM placements"', soft_wrap=True)


def _by_cluster(stored: StoredRun, good: pa.Table) -> Table:
    run = stored.row
    table = Table(
        title=Text(
            shown(
                f"{counted(good.num_rows, 'image')} placed in run {stored.run_id} "
                f"({run['collection']}, {run['method']})"
            )
        ),
        title_justify="left",
    )
    for column in ("id", "name", "placed", "unlike", "mean distance"):
        table.add_column(column, justify="left" if column == "name" else "right")
    figures = [("key", "count"), ("unlike", "sum"), ("distance", "mean")]
    counts = good.group_by(["cluster_id", "name"]).aggregate(figures)
    for row in counts.sort_by(
        [("key_count", "descending"), ("cluster_id", "ascending")]
    ).to_pylist()[:_SHOWN]:
        table.add_row(
            str(row["cluster_id"]),
            Text(shown(row["name"])),
            f"{row['key_count']:,}",
            f"{row['unlike_sum']:,}",
            f"{row['distance_mean']:.3f}",
        )
    return table

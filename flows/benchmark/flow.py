"""The benchmark: every method on every labelled collection, under one protocol, into the lake.

A cell (collection, encoder, method, seed) is an ordinary run, and is made only once.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from pydantic import BaseModel

from sortal.configs import PATIENCE_SECONDS
from sortal.configs.commands.benchmark import BenchmarkConfig
from sortal.configs.errors import RunError
from sortal.flows.benchmark.eta import TimeLeft, watching
from sortal.flows.benchmark.grid import Cell, cells_of, missing
from sortal.flows.benchmark.workers import Outcome, Task, run_groups
from sortal.flows.pages.artifacts import post_text
from sortal.flows.run.context import Run, Steps
from sortal.flows.run.guard import clear_disk_errors, crashed_when_stopped
from sortal.flows.run.images import read_images
from sortal.flows.run.spaces import corpora, embed_corpus
from sortal.storage.lake.cells import record, seconds_by_method, summary
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.lake.retry import patience
from sortal.storage.maintenance.abandoned import remove_abandoned
from sortal.storage.workspace import Workspace

log = logging.getLogger("sortal")


class BenchmarkResult(BaseModel):
    """What a benchmark came to: a row each collection, encoder and method, in the grid's order."""

    workspace: str
    n_cells: int
    n_failed: int
    rows: list[dict[str, Any]]


@flow(name="benchmark")
def benchmark(config: BenchmarkConfig) -> BenchmarkResult:
    """Run the cells that the lake lacks, in worker processes, and sum all of them up.

    Raises UsageError for what cannot work. A cell that fails is a row with its error.
    """
    with clear_disk_errors(config.workspace), crashed_when_stopped():
        workspace = Workspace(config.workspace).create()
        cells = cells_of(config, workspace)
        todo = missing(workspace, cells)
        with held(workspace, config, todo):
            remove_abandoned(workspace)
            embed_all(Steps(workspace), todo)
            run_cells(workspace, config, todo)
        result = summed_up(workspace, cells)
    post_text(
        "benchmark", "", markdown(result), f"{result.n_cells} cells, protocol {config.protocol}"
    )
    return result


@contextmanager
def held(workspace: Workspace, config: BenchmarkConfig, cells: Sequence[Cell]) -> Iterator[None]:
    """Hold the lease of every collection of `cells`.

    Cells stand alone, so that many of one collection may run at once under the one lease.
    """
    names = dict.fromkeys(cell.config.collection_name for cell in cells)
    with ExitStack() as stack:
        stack.enter_context(patience(PATIENCE_SECONDS))
        for name in names:
            stack.enter_context(hold(workspace, name, config.lease_seconds, "a benchmark"))
        yield


def embed(run: Run) -> None:
    """Embed the images and texts of a run, and nothing else."""
    for part, source in (("", run.config.source), ("train.", run.config.train)):
        if source:
            read_images(run, source, part)
    for name, corpus in corpora(run).items():
        embed_corpus(run, name, corpus)


def embed_all(do: Steps, cells: Sequence[Cell]) -> None:
    """Embed what all cells need before they run side by side, each once.

    What fails here fails again in the cells that need it, which report it.
    """
    done = set()
    for cell in cells:
        config = cell.config
        sections = (config.nouns, config.captions)
        corpora = [part.model_copy(update={"fuse": True}) for part in sections]
        kind = (config.source, config.train, config.images, config.encoder, *corpora)
        if kind in done:
            continue
        done.add(kind)
        try:
            embed(Run.begin(config, do))
        except Exception as error:
            log.warning("%s: %s", config.collection_name, error)


def run_cells(workspace: Workspace, config: BenchmarkConfig, cells: Sequence[Cell]) -> None:
    """Run cells in worker processes, a group in one, and record what each came to."""
    by_key = {cell.key: cell for cell in cells}
    groups: dict[str, list[Task]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(Task(cell.key, cell.config))
    jobs, threads = share_cores(config.jobs)
    with Lake(workspace) as lake:
        kinds = {cell.key: (cell.config.collection_name, cell.config.method_name) for cell in cells}
        left = TimeLeft(kinds, seconds_by_method(lake), min(jobs, max(len(groups), 1)))
        with watching(len(cells)) as tell:
            logs = workspace.root / "logs"
            for outcome in run_groups(groups.values(), jobs, threads, logs):
                cell = by_key[outcome.cell]
                record(lake, _row(cell, outcome))
                left.done(outcome.cell, outcome.seconds)
                tell(_said(cell, outcome), left.text())


def share_cores(jobs: int) -> tuple[int, int]:
    """Worker processes, and threads of each: all cores between them, none shared."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = jobs or cores or 1
    return jobs, max((cores or 1) // jobs, 1)


def _row(cell: Cell, outcome: Outcome) -> Any:
    config = cell.config
    return {
        "cell": cell.key,
        "collection": config.collection_name,
        "protocol": config.protocol,
        "encoder": config.encoder.spec,
        "method": config.method_name,
        "random_state": config.random_state,
        "run_id": outcome.run_id,
        "error": outcome.error,
        "seconds": outcome.seconds,
        "finished_at": datetime.now(UTC).replace(tzinfo=None),
    }


def _said(cell: Cell, outcome: Outcome) -> str:
    if outcome.error:
        return f"{cell.name} failed: {outcome.error}"
    return f"{cell.name}: {outcome.seconds:.1f} s"


def summed_up(workspace: Workspace, cells: Sequence[Cell]) -> BenchmarkResult:
    """The summary of cells out of the lake; raises RunError when there is none."""
    with Lake(workspace) as lake:
        rows = summary(lake, [cell.key for cell in cells])
    if not rows:
        raise RunError("a benchmark must have run a cell, and there is none in the lake; run again")
    return BenchmarkResult(
        workspace=str(workspace.root),
        n_cells=len(cells),
        n_failed=sum(row["failed"] for row in rows),
        rows=rows,
    )


def markdown(result: BenchmarkResult) -> str:
    """The summary as a Markdown table, in per cent: mean ± standard deviation over seeds."""
    lines = ["| collection | encoder | method | seeds | ACC | NMI | ARI | s |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in result.rows:
        scores = " | ".join(spread(row, name) for name in ("acc", "nmi", "ari"))
        mark = " (saw labels)" if row["labels_used"] else ""
        lines.append(
            f"| {row['collection']} | {row['encoder']} | {row['method']}{mark} | {row['seeds']} | "
            f"{scores} | {row['seconds']:.1f} |"
        )
    return "\n".join(lines)


def spread(row: dict[str, Any], name: str) -> str:
    """A score's mean ± standard deviation in per cent, of one seed without; or a dash."""
    if row[name] is None:
        return "-"
    deviation = row[f"{name}_sd"]
    mean = f"{100 * row[name]:.1f}"
    return mean if deviation is None else f"{mean} ± {100 * deviation:.1f}"

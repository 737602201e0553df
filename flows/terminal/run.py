"""What `sortal cluster`, `sortal report` and `sortal encoders` print."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from rich.console import Console
from rich.table import Table

from sortal.configs.schema import RunConfig
from sortal.flows.terminal.logs import log_to_terminal, quiet_prefect

if TYPE_CHECKING:  # importing it for real would start Prefect before its log is silenced
    from sortal.flows.run.result import RunResult

BETTER_ENCODERS = (
    "Encoder conse is embedded and needs no download. Better: "
    "--encoder open_clip:ViT-B-32/laion2b_s34b_b79k (downloads once), "
    "or --encoder vectors:DIR for vectors you have; see `sortal encoders`."
)


def run_cluster(config: RunConfig, *, as_json: bool = False) -> "RunResult":
    """Run the flow for a person at a terminal; the last line on stdout is the run id."""
    quiet_prefect()
    from sortal.flows.run.check import check

    check(config)
    from sortal.flows.recluster import recluster

    log_to_terminal(logging.WARNING if as_json else logging.INFO)
    if config.encoder.spec == "conse" and not as_json:
        print(BETTER_ENCODERS, file=sys.stderr)
    result = recluster(config)
    if as_json:
        print(json.dumps(result.model_dump()))
    else:
        show_result(result)
        print(result.run_id)
    return result


def show_plan(config: RunConfig, *, as_json: bool = False) -> None:
    """What a run would do, as YAML or as one JSON object."""
    quiet_prefect()
    from sortal.flows.run.plan import plan_of

    log_to_terminal(logging.WARNING)
    plan = plan_of(config)
    text = (
        json.dumps(plan) if as_json else yaml.safe_dump(plan, sort_keys=False, allow_unicode=True)
    )
    print(text.rstrip())


def show_result(result: "RunResult", limit: int = 40) -> None:
    """The clusters as a table, metrics where labels exist, and where the report is."""
    from sortal.storage.lake.lake import Lake
    from sortal.storage.workspace import Workspace
    from sortal.tasks.report.data import modality_rows

    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        cards = lake.query(
            "SELECT cluster, name, size, nouns, typical FROM cluster_cards "
            "WHERE run_id = ? ORDER BY size DESC, cluster LIMIT ?",
            [result.run_id, limit],
        ).to_pylist()
        query = "SELECT name, value FROM metrics WHERE run_id = ? AND name LIKE 'view%'"
        modalities = modality_rows(dict(lake.execute(query, [result.run_id]).fetchall()))
    table = Table(title=f"{result.collection}: {result.n_images:,} images", title_justify="left")
    for column in ("id", "name", "size", "top nouns", "typical image"):
        table.add_column(column, justify="right" if column in {"id", "size"} else "left")
    for card in cards:
        nouns = ", ".join((card["nouns"] or [])[:5])
        table.add_row(
            str(card["cluster"]), card["name"], f"{card['size']:,}", nouns, card["typical"] or ""
        )
    console = Console()
    console.print(table)
    if result.n_failed:
        console.print(f"{result.n_failed:,} inputs failed; see: sortal sql 'FROM failures_by_code'")
    for modality in modalities:
        console.print(
            f"modality {modality.name}: {modality.dim:,} dimensions, {modality.n_present:,} images "
            f"have it, {modality.n_missing:,} lack it"
        )
    shown = [n for n in ("acc", "nmi", "ari", "purity") if n in result.metrics]
    if shown:
        console.print(
            "against the labels: " + ", ".join(f"{n} {result.metrics[n]:.3f}" for n in shown)
        )
    console.print(f"report: {result.report}", soft_wrap=True)


def make_report(workspace: Path, run: str | None) -> None:
    """Make a run's report again from the lake (default: the newest run) and print its path."""
    from sortal.storage.lake.lake import Lake
    from sortal.storage.lake.runs import newest_run
    from sortal.storage.workspace import Workspace
    from sortal.tasks.report.page import publish_report

    place = Workspace(workspace.resolve())
    with Lake(place, read_only=True) as lake:
        run_id = newest_run(lake, run)["run_id"]
    print(publish_report(place, run_id))


def show_encoders() -> None:
    """Which encoders work offline here, and how to get better ones."""
    from sortal.tasks.encoders.registry import installed

    table = Table(title="Encoders usable offline", title_justify="left")
    for column in ("spec", "dimensions", "fingerprint", "note"):
        table.add_column(column, overflow="fold")
    for info in installed():
        table.add_row(info.spec, str(info.dim or "?"), info.fingerprint[:12], info.note)
    Console().print(table)
    print(BETTER_ENCODERS)

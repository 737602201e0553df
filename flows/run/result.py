"""What a finished run says of itself: a small result, a report in its place, Prefect's pages."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sortal.configs.errors import counted
from sortal.configs.schema import RunConfig
from sortal.flows.pages.artifacts import link_to, post_table, post_text, shown
from sortal.flows.pages.text import markdown
from sortal.flows.run.changed import Changed, what_changed
from sortal.flows.run.context import Run
from sortal.storage.artifacts import Artifact
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.report.page import percent, place_report

log = logging.getLogger("sortal")


class RunResult(BaseModel):
    """What a run came to; everything else is in the lake under `run_id`."""

    run_id: str
    collection: str
    workspace: str
    report: str  # its path; empty where none was asked for
    n_images: int
    n_failed: int
    changed: str = ""  # the line that says what changed since the run before
    changes: dict[str, int] = {}  # the same in numbers, by what became of files
    metrics: dict[str, float] = {}


def announce(
    run: Run, published: Artifact, report: Artifact | None, started_at: datetime
) -> RunResult:
    """Put the report, if any, where people look, say what changed, and return the result.

    `started_at` tells a run that is new from one that was there already, unchanged.
    """
    workspace, config = run.workspace, run.config
    run_id = published.facts["run_id"]
    page = place_report(workspace, run_id, report) if report else None
    with Lake(workspace, read_only=True) as lake:
        changed = what_changed(lake, run_id, started_at)
    show(workspace, config, published, page, changed)
    log.info("run %s%s", run_id, f": report at {page}" if page else "")
    log.info("%s", changed.line)
    return RunResult(
        run_id=run_id,
        collection=config.collection_name,
        workspace=str(workspace.root),
        report=str(page or ""),
        n_images=published.facts["n_images"],
        n_failed=published.facts["n_failed"],
        changed=changed.line,
        changes=changed.counts,
        metrics=published.facts["metrics"],
    )


def show(
    workspace: Workspace,
    config: RunConfig,
    published: Artifact,
    page: Path | None,
    changed: Changed,
) -> None:
    """Show a published run in Prefect's pages: what it is, its clusters, and what changed."""
    if not shown():
        return
    run_id, name = published.facts["run_id"], config.collection_name
    with Lake(workspace, read_only=True) as lake:
        clusters = lake.query(sql("api/clusters"), {"run": run_id}).to_pylist()
        changes = lake.query(sql("api/changes"), {"run": run_id}).to_pylist()
    images = n_images_text(published.facts["n_images"], sum(row["size"] for row in clusters))
    parts = [
        f"**{markdown(name)}**: {images} in {counted(len(clusters), 'cluster')} "
        f"({markdown(config.method_name)}, {markdown(config.encoder.spec)}).",
        markdown(changed.line),
        *([link_to(page)] if page else []),
    ]
    of_run = f"of {name}, run {run_id}"
    post_text("report", name, "\n\n".join(parts), f"Report {of_run}")
    post_table("clusters", name, [_cluster(row) for row in clusters], f"Clusters {of_run}")
    post_table("changes", name, [_change(row) for row in changes], f"What changed: {of_run}")


def n_images_text(n_images: int, n_distinct: int) -> str:
    """`192 images`, and how many of them differ where that is less: clusters count those."""
    return counted(n_images, "image") + (
        f" ({n_distinct:,} different)" if n_distinct < n_images else ""
    )


def _cluster(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["cluster_id"],
        "name": row["name"],
        "would be called now": row["suggested_name"] or "",
        "images": row["size"],
        "share": percent(row["share"]),
        "nouns": (row["nouns"] or [])[:5],
        "typical image": row["typical"] or "",
    }


def _change(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "event", "size", "previous_size", "came", "went")
    return {"id": row["cluster_id"], **{key.replace("_", " "): row[key] for key in keys}}

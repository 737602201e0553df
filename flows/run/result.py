"""What a finished run says of itself: a small result, a report in its place, Prefect's artifact."""

import logging
import re

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from pydantic import BaseModel

from sortal.flows.run.context import Run
from sortal.storage.artifacts import Artifact
from sortal.tasks.report.page import place_report, summary

log = logging.getLogger("sortal")


class RunResult(BaseModel):
    """What a run came to; everything else is in the lake under `run_id`."""

    run_id: str
    collection: str
    workspace: str
    report: str
    n_images: int
    n_failed: int
    metrics: dict[str, float] = {}


def post(name: str, markdown: str, description: str) -> None:
    """Show a page in Prefect's view, where a flow is running under it."""
    if FlowRunContext.get():
        key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        create_markdown_artifact(key=key, markdown=markdown, description=description)


def announce(run: Run, published: Artifact, report: Artifact) -> RunResult:
    """Put the report where people look, link it from Prefect's view, and return the result."""
    workspace, config = run.workspace, run.config
    run_id = published.facts["run_id"]
    page = place_report(workspace, run_id, report)
    text = f"{summary(workspace, run_id)}\n\n[Full report]({page.as_uri()})"
    about = f"Clusters of {config.collection_name}, run {run_id}"
    post(f"report-{config.collection_name}", text, about)
    log.info("run %s: report at %s", run_id, page)
    return RunResult(
        run_id=run_id,
        collection=config.collection_name,
        workspace=str(workspace.root),
        report=str(page),
        n_images=published.facts["n_images"],
        n_failed=published.facts["n_failed"],
        metrics=published.facts["metrics"],
    )

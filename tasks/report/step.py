"""The report: one page that shows what is in a collection. Opens anywhere, asks for nothing.

The page is a single file: style and pictures are inside, there is no script, and everything that
comes from the collection is escaped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sortal.storage.artifacts import Artifact, Written
from sortal.storage.workspace import Workspace
from sortal.tasks.report.page import PAGE, build
from sortal.tasks.step import step


@dataclass(frozen=True, kw_only=True)
class WriteReportInputs:
    """Inputs of `write_report`."""

    run: Artifact
    source: str
    pinned: Mapping[int, str] | None = None


@step("report", WriteReportInputs, version=7)
def write_report(folder: Path, workspace: Workspace, inputs: WriteReportInputs) -> Written:
    """Write `report.html` of the committed run whose facts hold `run_id`.

    `pinned` are the names users gave, by stable id: the lake has them, and a page made before a
    name was pinned is no longer the run's.
    """
    page = build(workspace, inputs.run.facts["run_id"], inputs.source)
    (folder / PAGE).write_text(page, encoding="utf-8")
    return Written(
        rows=1, facts={"run_id": inputs.run.facts["run_id"], "bytes": len(page.encode())}
    )

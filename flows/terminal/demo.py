"""`sortal demo`: pictures are drawn and clustered, and the lake is asked about the result."""

from pathlib import Path

from sortal.configs.load import make_config
from sortal.flows.operations.demo import QUESTION, demo_config
from sortal.flows.terminal.query import run_sql
from sortal.flows.terminal.run import run_cluster
from sortal.storage.workspace import Workspace
from sortal.tasks.datasets.openmoji import build_things


def run_demo(workspace: Path) -> None:
    """Draw the pictures, cluster them, and ask the lake a question about the result."""
    Workspace(workspace).create()
    folder = build_things(Workspace(workspace))
    run_cluster(make_config(demo_config(folder, workspace)))
    print(f"\nThe tightest clusters, by SQL:\n\n{QUESTION}\n")
    run_sql(workspace, QUESTION, "table", None)
    print(f"\nGo on with: sortal sql --workspace {workspace}   (tables and examples)")

"""`sortal demo`: the first minute with Sortal."""

from sortal.configs import WORKSPACE
from sortal.flows.cli.options import WorkspaceOption


def demo(workspace: WorkspaceOption = WORKSPACE) -> None:
    """Sort 84 drawings from the package index: kinds, a report, a SQL answer."""
    from sortal.flows.terminal.demo import run_demo

    run_demo(workspace)

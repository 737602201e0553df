"""What `sortal diff` prints."""

from pathlib import Path

from sortal.flows.operations.lineage import diff
from sortal.flows.operations.query import reading
from sortal.flows.terminal.formats import write


def show_diff(workspace: Path, first: str, second: str, output: str = "table") -> None:
    """Write what moved between two runs: images counted by cluster in the one and the other."""
    with reading(workspace) as lake:
        write(diff(lake, first, second), output, None)

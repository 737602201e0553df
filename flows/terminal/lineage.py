"""What `sortal rename` and `sortal diff` print."""

from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.flows.operations.lineage import diff, rename
from sortal.flows.operations.query import reading
from sortal.flows.terminal.formats import write


def run_rename(
    workspace: Path, cluster: str, name: str | None, run: str | None, unpin: bool
) -> None:
    """`sortal rename`: with `unpin` and no name the pinned name is taken away."""
    if (name is None) != unpin:
        raise UsageError("rename takes CLUSTER NAME, or CLUSTER --unpin")
    print(rename(workspace, cluster, name, run))


def show_diff(workspace: Path, first: str, second: str, output: str = "table") -> None:
    """Write what moved between two runs: images counted by cluster in the one and the other."""
    with reading(workspace) as lake:
        write(diff(lake, first, second), output, None)

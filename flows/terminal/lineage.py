"""What `sortal rename`, `sortal diff` and `sortal collections` print."""

from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.flows.operations.collections import listing, rebind
from sortal.flows.operations.lineage import diff, diff_images, rename
from sortal.flows.operations.query import reading
from sortal.flows.terminal.formats import write
from sortal.tasks.shown import shown


def run_rename(
    workspace: Path, cluster: str, name: str | None, run: str | None, unpin: bool
) -> None:
    """`sortal rename`: with `unpin` and no name the pinned name is taken away."""
    if (name is None) != unpin:
        raise UsageError("rename takes CLUSTER NAME, or CLUSTER --unpin")
    print(shown(rename(workspace, cluster, name, run)))


def show_diff(
    workspace: Path,
    first: str,
    second: str,
    output: str = "table",
    file: Path | None = None,
    images: bool = False,
) -> None:
    """Write what moved between two runs: images counted by cluster in each, or every file."""
    compare = diff_images if images else diff
    with reading(workspace) as lake:
        write(compare(lake, first, second), output, file)


def list_collections(workspace: Path, output: str = "table") -> None:
    """Write the collections, by name, in one of FORMATS."""
    with reading(workspace) as lake:
        write(listing(lake), output, None)


def run_rebind(workspace: Path, name: str, source: str) -> None:
    """`sortal collections --rebind`: do it, and say where the collection is now."""
    print(rebind(workspace, name, source))

"""`sortal demo`: the first minute with Sortal, on a real collection from the package index."""

from pathlib import Path

from sortal.configs.load import make_config
from sortal.tasks.datasets.openmoji import KINDS, build

QUESTION = """\
SELECT name, size, round(mean_distance, 3) AS mean_distance
FROM cluster_cards
WHERE run_id = (SELECT max(run_id) FROM runs)
ORDER BY mean_distance LIMIT 5"""


def demo_config(folder: Path, workspace: Path) -> dict[str, object]:
    """The demo's settings: one cluster a kind, and the default method on the default encoder."""
    return {
        "source": str(folder),
        "collection": "openmoji",
        "n_clusters": len(KINDS),
        "workspace": workspace,
    }


def run_demo(workspace: Path) -> None:
    """Draw the pictures, cluster them, and ask the lake a question about the result."""
    from sortal.flows.operations.query import run_sql
    from sortal.flows.terminal.run import run_cluster

    folder = build(workspace.parent / "openmoji")
    run_cluster(make_config(demo_config(folder, workspace)))
    print(f"\nThe tightest clusters, by SQL:\n\n{QUESTION}\n")
    run_sql(workspace, QUESTION, "table", None)
    print(f"\nGo on with: sortal sql --workspace {workspace}   (tables and examples)")

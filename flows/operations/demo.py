"""The first minute with Sortal, on a real collection from the package index."""

from pathlib import Path

from sortal.tasks.datasets.openmoji import KINDS

QUESTION = """\
SELECT name, size, round(mean_distance, 3) AS mean_distance
FROM cluster_cards
WHERE run_id = (SELECT run_id FROM newest_run)
ORDER BY mean_distance, name LIMIT 5"""


def demo_config(folder: Path, workspace: Path) -> dict[str, object]:
    """The demo's settings: one cluster a kind, and the default method on the default encoder."""
    return {
        "source": str(folder),
        "collection": "openmoji",
        "n_clusters": len(KINDS),
        "workspace": workspace,
    }

"""The first minute with Sortal, on a real collection of drawings from the package index."""

from pathlib import Path

QUESTION = """\
SELECT name, size, round(mean_distance, 3) AS mean_distance
FROM cluster_cards
WHERE run_id = (SELECT run_id FROM newest_run)
ORDER BY mean_distance, name LIMIT 5"""


def demo_config(folder: Path, workspace: Path) -> dict[str, object]:
    """The demo's settings: the default encoder, and CAE, whose kinds are few to look over."""
    return {
        "source": str(folder),
        "collection": "drawings",
        "method": "cae",
        "workspace": workspace,
    }

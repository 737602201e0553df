"""The numbers of clusters that runs find by themselves, beside a sweep of given numbers.

    python benchmarks/counts.py SHARED [--seeds 4] [--space CLIP] [--set key=value]

SHARED is the folder of test data; the spaces are those of benchmarks/defaults.py that have labels,
and the drawings that `sortal demo` sorts.
Without `-k` each run finds its number; the sweep gives every number of a grid to two seeds. NMI is
against the labels, which no run sees. The last line of a space says by how much what was found is
below the best of the sweep.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from defaults import Space, spaces

from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.datasets.openmoji import build_things

SWEEP = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 21, 24, 28, 32, 40, 50)
NATURAL = """
SELECT n_clusters
FROM count_scores
WHERE run_id = ? AND is_natural AND NOT chosen
ORDER BY n_clusters DESC"""


def collections(shared: Path, folder: Path) -> Iterator[Space]:
    """Those with labels, of which `folder` gets copies."""
    yield from (space for space in spaces(shared, folder) if not space.name.startswith("flickr"))
    yield Space("drawings, conse", {"source": str(build_things(Workspace(folder)))}, 6)


def run(
    space: Space, count: int | None, seed: int, changes: list[str], workspace: Workspace
) -> tuple[int, float, list[int]]:
    """A run's number of clusters, its NMI in percent, and the other natural numbers."""
    values = {**space.values, "n_clusters": count, "random_state": seed}
    values |= {"workspace": workspace.root, "lineage": {"enabled": False}}
    result = recluster.fn(make_config(values, changes))
    with Lake(workspace, read_only=True) as lake:
        (found,) = lake.execute(
            "SELECT n_clusters FROM runs WHERE run_id = ?", [result.run_id]
        ).fetchone()
        natural = [number for (number,) in lake.execute(NATURAL, [result.run_id]).fetchall()]
    return found, 100 * result.metrics["nmi"], natural


def main() -> None:
    """Print a line for each run that finds its number, then the sweep's means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--space", default="", help="a part of the name of the spaces")
    parser.add_argument("--set", dest="changes", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for number, space in enumerate(collections(options.shared, Path(name))):
            if options.space not in space.name:
                continue
            workspace = Workspace(Path(name) / f"workspace-{number}").create()
            own = []
            for seed in range(options.seeds):
                found, nmi, natural = run(space, None, seed, options.changes, workspace)
                own.append(nmi)
                print(
                    f"{space.name:30} found {found:3}  NMI {nmi:.1f}  natural {natural}", flush=True
                )
            means = {}
            for count in SWEEP:
                given = [run(space, count, seed, options.changes, workspace)[1] for seed in (0, 1)]
                means[count] = float(np.mean(given))
            print("  ".join(f"{count}: {nmi:.1f}" for count, nmi in means.items()))
            best = max(means, key=lambda count: means[count])
            print(
                f"{space.name:30} found {np.mean(own):.1f}, best {means[best]:.1f} at {best}: "
                f"{np.mean(own) - means[best]:+.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

r"""Methods x seeds over one labelled collection, through the real flow: a table from the lake.

    python benchmarks/methods.py ../shared/datasets/cifar10_test.tar -k 10 \
        --captions ../shared/captions/Flickr8k.token.txt

Beside the label metrics stands the label-free criterion by which defaults were chosen: the mean
ARI between the partitions of different seeds.
"""

import argparse
import itertools
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from sklearn.metrics import adjusted_rand_score

from configs.load import make_config
from flows.recluster import recluster
from storage.lake import Lake
from storage.workspace import Workspace

METHODS = "kmeans,tac-free,cae,cae-no-captions,cae-no-nouns,cae-softmax,cae-concat,cae-literal"


def run_all(args: argparse.Namespace) -> dict[str, list[str]]:
    """Run every method with every seed; returns the run ids of each method."""
    runs: dict[str, list[str]] = {}
    for method, seed in itertools.product(args.methods.split(","), range(args.seeds)):
        values = {
            "source": args.source,
            "n_clusters": args.clusters,
            "method": method,
            "random_state": seed,
            "workspace": args.workspace,
            "encoder": {"spec": args.encoder},
        }
        values |= {"captions": {"source": args.captions}} if args.captions else {}
        runs.setdefault(method, []).append(recluster(make_config(values, args.set)).run_id)
        print(method, seed, runs[method][-1], file=sys.stderr, flush=True)
    return runs


def row(lake: Lake, method: str, run_ids: list[str]) -> str:
    """One line of the table: ACC / NMI / ARI as mean ± standard deviation, and agreement."""
    figures = lake.query(
        "SELECT name, 100 * avg(value) AS mean, coalesce(100 * stddev_samp(value), 0) AS sd "
        "FROM metrics WHERE list_contains(?, run_id) GROUP BY name",
        [run_ids],
    ).to_pylist()
    of = {figure["name"]: f"{figure['mean']:.1f} ± {figure['sd']:.1f}" for figure in figures}
    return (
        f"| {method} | {of['acc']} | {of['nmi']} | {of['ari']} | {agreement(lake, run_ids):.3f} |"
    )


def agreement(lake: Lake, run_ids: list[str]) -> float:
    """Mean ARI between the partitions of all pairs of runs: 1 when the seed changes nothing."""
    labels = [
        lake.query("SELECT cluster FROM assignments WHERE run_id = ? ORDER BY key", [run_id])
        for run_id in run_ids
    ]
    arrays = [table.column("cluster").to_numpy() for table in labels]
    pairs = itertools.combinations(arrays, 2)
    return float(np.mean([adjusted_rand_score(a, b) for a, b in pairs])) if len(arrays) > 1 else 1.0


def main() -> None:
    """Parse, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("-k", "--clusters", type=int, required=True)
    parser.add_argument("--encoder", default="conse")
    parser.add_argument("--captions")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workspace", default="sortal-workspace")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    logging.getLogger("sortal").setLevel(logging.WARNING)
    runs = run_all(args)
    print("| method | ACC | NMI | ARI | agreement of seeds |\n|---|---|---|---|---|")
    with Lake(Workspace(Path(args.workspace).resolve()), read_only=True) as lake:
        for method, run_ids in runs.items():
            print(row(lake, method, run_ids))


if __name__ == "__main__":
    main()

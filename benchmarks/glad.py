r"""GLAD and its ablations on views of known structure, or on a run's own views: a table of seeds.

    python benchmarks/glad.py --seeds 5
    python benchmarks/glad.py --seeds 5 --source FOLDER --encoder vectors:FOLDER

Synthetic views: each image is of one of K kinds. Every view shows the kind (`--signal`), a kind
of its own that says nothing of it (`--nuisance`), and Gaussian noise; `--missing` of each view's
rows but the first's are absent. k-means on the views' concatenation and on each view stand beside.
A method is a preset, and what differs from it: `glad-no-gsa+predict=labels`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from sortal.configs.heads import HeadConfig
from sortal.configs.presets import load_preset, merge
from sortal.configs.schema import PartitionConfig
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.encoders.registry import describe
from sortal.tasks.evaluation.agreement import accuracy, confusion
from sortal.tasks.heads.data import Data, Matrix, write_matrix
from sortal.tasks.heads.methods.glad import Glad
from sortal.tasks.heads.trainer import survey, train

METHODS = (
    "glad,glad-no-lsa,glad-no-gsa,glad-no-gsa+predict=labels,glad+predict=centres,"
    "glad-no-weights,glad-cosine,glad-no-transport"
)
DIMS = {"text": 48, "audio": 32, "video": 64}


def synthetic(args: argparse.Namespace, seed: int) -> tuple[dict[str, FloatArray], np.ndarray]:
    """Views of `args.images` images by name, and the kinds (n,) behind them."""
    rng = np.random.default_rng([7, seed])
    kinds = rng.integers(args.clusters, size=args.images)
    views = {}
    for number, (name, dim) in enumerate(DIMS.items()):
        own = rng.integers(args.clusters, size=args.images)
        means, others = (
            normalise(rng.standard_normal((args.clusters, dim)).astype(np.float32))
            for _ in range(2)
        )
        noise = rng.standard_normal((args.images, dim)).astype(np.float32) / dim**0.5
        rows = args.signal * means[kinds] + args.nuisance * others[own] + args.noise * noise
        rows = normalise(rows)
        if number:
            rows[rng.random(args.images) < args.missing] = 0
        views[name] = rows
    return views, kinds


def config_of(method: str, views: tuple[str, ...], args: argparse.Namespace) -> HeadConfig:
    """The preset's head on these views."""
    trainer = {"epochs": args.epochs, "batch_size": args.batch_size, "lr": args.lr}
    over = {"glad": {"views": views}, "trainer": trainer}
    preset, *own = method.split("+")
    given = dict(setting.split("=") for setting in [*args.set, *own])
    return HeadConfig(**merge(merge(load_preset(preset)["head"], over), {"glad": given}))


def labels_of(
    method: str, views: Mapping[str, FloatArray], seed: int, args: argparse.Namespace
) -> np.ndarray:
    """Clusters (n,) of one training."""
    config = config_of(method, tuple(views), args)
    with tempfile.TemporaryDirectory() as folder:
        matrices = {}
        for name, rows in views.items():
            path = Path(folder) / f"view-{name}.npy"
            write_matrix(path, rows.shape, [rows])
            matrices[name] = Matrix(path)
        data = Data(args.clusters, matrices, {}, Path(folder), seed)
        glad = Glad(config)
        history = train(glad, data, config.trainer)
        if args.verbose:
            last = {n: round(v, 3) for e, n, v in history if e == config.trainer.epochs - 1}
            print(method, seed, last, file=sys.stderr, flush=True)
        return survey(glad, data).labels


def scores(truth: np.ndarray, labels: np.ndarray) -> list[float]:
    """ACC, NMI, ARI in per cent."""
    found = (
        accuracy(confusion(truth, labels)),
        normalized_mutual_info_score(truth, labels),
        adjusted_rand_score(truth, labels),
    )
    return [100 * float(value) for value in found]


def of_source(args: argparse.Namespace, folder: Path) -> tuple[dict[str, FloatArray], np.ndarray]:
    """The views that `glad` reads of a collection, by the flow's own steps, and its labels."""
    from sortal.configs.load import make_config
    from sortal.flows.recluster import corpora, read, space_of, training
    from sortal.flows.run.context import Steps
    from sortal.tasks.heads.inputs import Inputs, open_data
    from sortal.tasks.lineage.previous_run import Past

    values = {"source": args.source, "n_clusters": args.clusters, "method": "glad"}
    values |= {"encoder": {"spec": args.encoder}, "workspace": args.workspace}
    config = make_config(values)
    do, encoder = Steps(Workspace(config.workspace).create()), describe(args.encoder)
    found, images = read(do, config, encoder, config.source)
    spaces = {
        name: space_of(do, name, corpus, images, images, config, encoder, Past())
        for name, corpus in corpora(do, config, encoder).items()
    }
    given = training(config, found, images, spaces, {})
    inputs = Inputs(**{name: given.get(name, {}) for name in Inputs._fields})
    about = {"n_clusters": args.clusters, "random_state": 0, "device": "cpu"}
    data = open_data(do.workspace, inputs, Glad(config.head), folder, **about)
    views = {name: next(rows.blocks(rows.shape[0])) for name, rows in data.views.items()}
    scan = pq.read_table(found.file(do.workspace, "images.parquet"), columns=["key", "label"])
    label_of = dict(zip(scan["key"].to_pylist(), scan["label"].to_pylist(), strict=True))
    labels = [label_of[key] for key in open_vectors(do.workspace, images).keys]
    return views, np.unique(labels, return_inverse=True)[1]


def row(name: str, figures: list[list[float]], seconds: float) -> str:
    """A line of the table: mean and standard deviation of ACC, NMI and ARI, and CPU seconds."""
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=min(1, len(figures) - 1))
    cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True)]
    return f"| {name} | {' | '.join(cells)} | {seconds:.0f} |"


def main() -> None:
    """Train every method with every seed, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", help="a labelled collection, whose three views are taken")
    parser.add_argument("--encoder", default="conse")
    parser.add_argument("--workspace", default="sortal-workspace")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("-k", "--clusters", type=int, default=10)
    parser.add_argument("--signal", type=float, default=0.6)
    parser.add_argument("--nuisance", type=float, default=0.6)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--missing", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        given = of_source(args, Path(folder)) if args.source else None
    lines: dict[str, list[list[float]]] = {}
    costs: dict[str, float] = {}
    for seed in range(args.seeds):
        views, truth = given or synthetic(args, seed)
        plain = {f"k-means on {name}": rows for name, rows in views.items()}
        plain["k-means on all views"] = np.hstack(list(views.values()))
        for name, rows in plain.items():
            partition = PartitionConfig(n_init=10)
            found = kmeans(rows + 1e-6, args.clusters, partition, random_state=seed).labels
            lines.setdefault(name, []).append(scores(truth, found))
        for method in args.methods.split(","):
            start = time.process_time()
            lines.setdefault(method, []).append(scores(truth, labels_of(method, views, seed, args)))
            costs[method] = costs.get(method, 0.0) + time.process_time() - start
    print("| method | ACC | NMI | ARI | CPU s a run |\n|---|---|---|---|---|")
    for name, figures in lines.items():
        print(row(name, figures, costs.get(name, 0.0) / args.seeds))


if __name__ == "__main__":
    main()

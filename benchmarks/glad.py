r"""GLAD and its ablations on modalities of known structure, or on a run's own: a table of seeds.

    python benchmarks/glad.py --seeds 5
    python benchmarks/glad.py --seeds 5 --source FOLDER --encoder vectors:FOLDER

Synthetic modalities: each image is of one of K kinds. Every modality shows the kind (`--signal`),
a kind of its own that says nothing of it (`--nuisance`), and Gaussian noise; `--missing` of each
modality's rows but the first's are absent. For comparison: k-means on each and on all of them.
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
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from sortal.configs.heads import HeadConfig
from sortal.configs.partition import PartitionConfig
from sortal.configs.presets import load_preset, merge
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.evaluation.agreement import accuracy, confusion
from sortal.tasks.heads.data import Data, Matrix, write_matrix
from sortal.tasks.heads.methods.glad import Glad
from sortal.tasks.heads.trainer import predict, train

METHODS = (
    "glad,glad-no-lsa,glad-no-gsa,glad-no-gsa+predict=labels,glad+predict=centres,"
    "glad-no-weights,glad-cosine,glad-no-transport"
)
DIMS = {"text": 48, "audio": 32, "video": 64}


def synthetic(args: argparse.Namespace, seed: int) -> tuple[dict[str, FloatArray], np.ndarray]:
    """Modalities of `args.images` images by name, and the kinds (n,) behind them."""
    rng = np.random.default_rng([7, seed])
    kinds = rng.integers(args.clusters, size=args.images)
    modalities = {}
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
        modalities[name] = rows
    return modalities, kinds


def config_of(method: str, modalities: tuple[str, ...], args: argparse.Namespace) -> HeadConfig:
    """The preset's head on these modalities."""
    trainer = {"epochs": args.epochs, "batch_size": args.batch_size, "lr": args.lr}
    over = {"glad": {"modalities": modalities}, "trainer": trainer}
    preset, *own = method.split("+")
    given = dict(setting.split("=") for setting in [*args.set, *own])
    return HeadConfig(**merge(merge(load_preset(preset)["head"], over), {"glad": given}))


def labels_of(
    method: str, modalities: Mapping[str, FloatArray], seed: int, args: argparse.Namespace
) -> np.ndarray:
    """Clusters (n,) of one training."""
    config = config_of(method, tuple(modalities), args)
    with tempfile.TemporaryDirectory() as folder:
        matrices = {}
        for name, rows in modalities.items():
            path = Path(folder) / f"modality-{name}.npy"
            write_matrix(path, rows.shape, [rows])
            matrices[name] = Matrix(path, "cpu")
        data = Data(args.clusters, matrices, {}, Path(folder), seed, "cpu")
        glad = Glad(config)
        history = train(glad, data, config.trainer)
        if args.verbose:
            last = {n: round(v, 3) for e, n, v in history if e == config.trainer.epochs - 1}
            print(method, seed, last, file=sys.stderr, flush=True)
        return predict(glad, data).labels


def scores(truth: np.ndarray, labels: np.ndarray) -> list[float]:
    """ACC, NMI, ARI in per cent."""
    found = (
        accuracy(confusion(truth, labels)),
        normalized_mutual_info_score(truth, labels),
        adjusted_rand_score(truth, labels),
    )
    return [100 * float(value) for value in found]


def of_source(args: argparse.Namespace, folder: Path) -> tuple[dict[str, FloatArray], np.ndarray]:
    """The modalities that `glad` reads of a collection, by the flow's own steps, and its labels."""
    from sortal.configs.load import make_config
    from sortal.flows.run.clusters import head_inputs
    from sortal.flows.run.context import Run, Steps
    from sortal.flows.run.images import read_images
    from sortal.flows.run.spaces import semantic_spaces
    from sortal.tasks.heads.load import open_data

    values = {"source": args.source, "n_clusters": args.clusters, "method": "glad"}
    values |= {"encoder": {"spec": args.encoder}, "workspace": args.workspace}
    config = make_config(values)
    workspace = Workspace(config.workspace).create()
    run = Run.begin(config, Steps(workspace))
    images = read_images(run, config.source)
    inputs = head_inputs(run, images, semantic_spaces(run, images, images), images.vectors)
    data = open_data(workspace, inputs, Glad(config.head), folder)
    modalities = {name: next(rows.blocks(rows.shape[0])) for name, rows in data.modalities.items()}
    scan = pq.read_table(images.scan.file(workspace, "images.parquet"), columns=["key", "label"])
    label_of = dict(zip(scan["key"].to_pylist(), scan["label"].to_pylist(), strict=True))
    labels = [label_of[key] for key in open_vectors(workspace, images.vectors).keys]
    return modalities, np.unique(labels, return_inverse=True)[1]


def row(name: str, figures: list[list[float]], seconds: float) -> str:
    """A line of the table: mean and standard deviation of ACC, NMI and ARI, and CPU seconds."""
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=min(1, len(figures) - 1))
    cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True)]
    return f"| {name} | {' | '.join(cells)} | {seconds:.0f} |"


def main() -> None:
    """Train every method with every seed, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", help="a labelled collection, whose three modalities are taken")
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
        modalities, truth = given or synthetic(args, seed)
        plain = {f"k-means on {name}": rows for name, rows in modalities.items()}
        plain["k-means on all modalities"] = np.hstack(list(modalities.values()))
        for name, rows in plain.items():
            partition = PartitionConfig(n_init=10)
            found = kmeans(rows + 1e-6, args.clusters, partition, random_state=seed).labels
            lines.setdefault(name, []).append(scores(truth, found))
        for method in args.methods.split(","):
            start = time.process_time()
            lines.setdefault(method, []).append(
                scores(truth, labels_of(method, modalities, seed, args))
            )
            costs[method] = costs.get(method, 0.0) + time.process_time() - start
    print("| method | ACC | NMI | ARI | CPU s a run |\n|---|---|---|---|---|")
    for name, figures in lines.items():
        print(row(name, figures, costs.get(name, 0.0) / args.seeds))


if __name__ == "__main__":
    main()

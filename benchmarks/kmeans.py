"""k-means against scikit-learn and faiss: time, inertia and memory on the same rows.

Every fit runs in a process of its own, engines take turns, and the table holds medians. Inertia
is that of the labels (distances to the mean of each cluster), one measure for all engines.

    python benchmarks/kmeans.py --rows 60000 --dim 1000 --clusters 10 100 1000
    python benchmarks/kmeans.py --vectors image.npy noun.npy
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ENGINES = ("sortal", "sortal-spherical", "scikit-learn", "faiss", "faiss-10")
N_INIT = 10


def synthetic(rows: int, dim: int, seed: int) -> np.ndarray:
    """Unit rows shaped like [image; counterpart]: kinds within kinds, and a falling spectrum."""
    rng = np.random.default_rng(seed)
    half = max(dim // 2, 1)
    spectrum = (np.arange(1, half + 1) ** -0.5).astype(np.float32)

    def around(centres: np.ndarray, spread: float) -> np.ndarray:
        noise = rng.standard_normal(centres.shape, dtype=np.float32)
        return centres + spread * noise * spectrum

    coarse = around(np.zeros((20, half), dtype=np.float32), 1.0)
    fine = around(coarse[rng.integers(20, size=600)], 0.7)
    image = _unit(around(fine[rng.choice(600, rows, p=rng.dirichlet(np.ones(600)))], 0.8))
    texts = _unit(around(fine[rng.integers(600, size=2000)], 0.6))
    blocks = np.array_split(image, max(rows // 4096, 1))
    counterpart = _unit(
        np.concatenate([_softmax(block @ texts.T / 0.05) @ texts for block in blocks])
    )
    return _unit(np.concatenate([image, counterpart[:, : dim - half]], axis=1))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _softmax(logits: np.ndarray) -> np.ndarray:
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)


def load(paths: list[Path]) -> np.ndarray:
    """Rows of .npy or Parquet files (column `vector`); several files stand side by side."""
    from sortal.storage.rows import read_all
    from sortal.storage.vector_sets import FileVectors

    parts = [
        np.load(path) if path.suffix == ".npy" else read_all(FileVectors([path])) for path in paths
    ]
    return _unit(np.concatenate([part.astype(np.float32) for part in parts], axis=1))


def inertia_of(data: np.ndarray, labels: np.ndarray) -> float:
    """Sum of squared distances to the mean of each row's cluster, in float64."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) > 0])
    pieces = np.split(order, starts[1:])
    squares = np.einsum("nd,nd->", data, data, dtype=np.float64)
    means = (data[piece].sum(axis=0, dtype=np.float64) for piece in pieces)
    return float(
        squares
        - sum(total @ total / len(piece) for total, piece in zip(means, pieces, strict=True))
    )


def fit(engine: str, data: np.ndarray, k: int, seed: int, max_iter: int) -> tuple[np.ndarray, int]:
    """Labels and iterations of one fit."""
    if engine.startswith("sortal"):
        from sortal.configs.partition import PartitionConfig
        from sortal.tasks.clustering.kmeans import kmeans

        config = PartitionConfig(spherical=engine.endswith("spherical"), n_init=N_INIT)
        found = kmeans(data, k, config, random_state=seed)
        return found.labels, found.n_iter
    if engine == "scikit-learn":
        from sklearn.cluster import KMeans

        model = KMeans(k, n_init=1, max_iter=max_iter, random_state=seed).fit(data)
        return model.labels_, model.n_iter_
    import faiss

    restarts = N_INIT if engine.endswith("10") else 1
    limit = 1 << 30
    model = faiss.Kmeans(
        data.shape[1], k, niter=25, nredo=restarts, seed=seed + 1, max_points_per_centroid=limit
    )
    model.train(data)
    return model.index.search(data, 1)[1][:, 0], 25


def child(engine: str, path: str, k: int, seed: int, max_iter: int) -> None:
    """Time one fit and write its figures as JSON to standard output."""
    data = np.load(path)
    fit(engine, data[: 2 * k], 2, seed, 2)  # imports and thread pools are not the engine's cost
    before = _peak()
    start, cpu = time.perf_counter(), time.process_time()
    labels, n_iter = fit(engine, data, k, seed, max_iter)
    figures = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "mb": _peak() - before,
        "inertia": inertia_of(data, labels),
        "n_iter": int(n_iter),
    }
    sys.stdout.write(json.dumps(figures))


def _peak() -> int:
    """Peak resident memory in MiB; getrusage would count the parent's, from before the exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


def measure(arguments: argparse.Namespace, path: str, k: int) -> dict[str, list[dict]]:
    """Figures of each engine: `repeats` runs, of scikit-learn `restarts`, taking turns."""
    threads = {"OMP_NUM_THREADS": str(arguments.threads)}
    found: dict[str, list[dict]] = {engine: [] for engine in arguments.engines}
    for turn in range(max(arguments.repeats, arguments.restarts)):
        for engine in arguments.engines:
            limit = arguments.restarts if engine == "scikit-learn" else arguments.repeats
            if turn < limit:
                command = [sys.executable, __file__, "--child", engine, path, str(k), str(turn)]
                command += ["--max-iter", str(arguments.max_iter)]
                run = subprocess.run(
                    command, env=os.environ | threads, check=True, capture_output=True
                )
                found[engine].append(json.loads(run.stdout.splitlines()[-1]))
    return found


def table(k: int, found: dict[str, list[dict]]) -> list[str]:
    """Markdown rows: scikit-learn's ten restarts are the sum of single ones, scaled to ten."""
    rows: dict[str, dict[str, float]] = {}
    for engine, runs in found.items():
        rows[engine] = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        if engine == "scikit-learn":
            scale = N_INIT / len(runs)
            rows[f"{engine}, best of {N_INIT} ({len(runs)} run)"] = {
                **rows[engine],
                "seconds": scale * sum(run["seconds"] for run in runs),
                "cpu": scale * sum(run["cpu"] for run in runs),
                "inertia": min(run["inertia"] for run in runs),
            }
    base = rows["sortal"]
    return [
        f"| {k} | {name} | {row['seconds']:.1f} | {row['cpu']:.1f} "
        f"| {row['seconds'] / base['seconds']:.1f} | {row['inertia']:.1f} "
        f"| {row['inertia'] / base['inertia']:.4f} | {row['n_iter']:.0f} | {row['mb']:.0f} |"
        for name, row in rows.items()
    ]


def main() -> None:
    """Parse the command line, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--dim", type=int, default=1000)
    parser.add_argument("--clusters", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--vectors", type=Path, nargs="+", help=".npy or Parquet, side by side")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each engine")
    parser.add_argument("--restarts", type=int, default=N_INIT, help="scikit-learn's, of ten")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--max-iter", type=int, default=300)
    parser.add_argument("--child", nargs=4, metavar=("ENGINE", "PATH", "K", "SEED"))
    arguments = parser.parse_args()
    if arguments.child:
        engine, path, k, seed = arguments.child
        return child(engine, path, int(k), int(seed), arguments.max_iter)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.npy")
        given = arguments.vectors
        data = load(given) if given else synthetic(arguments.rows, arguments.dim, 0)
        np.save(path, data[: arguments.rows])
        lines = ["| k | engine | s | CPU s | x | inertia | / sortal | iterations | + MB |"]
        lines.append("|---|---|---|---|---|---|---|---|---|")
        for k in arguments.clusters:
            lines += table(k, measure(arguments, path, k))
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

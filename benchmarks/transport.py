"""Times our transport against POT, GeomLoss and OTT-JAX: same input, same marginal error.

Each contender runs in a process of its own, rounds alternate, medians are printed as Markdown.
`python benchmarks/transport.py --sizes 10000x2000 50000x4000 --rounds 3`
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DIM = 512
HALF_FROM = 500_000
PEERS = ("pot-numpy", "pot-torch", "pot-log-numpy", "pot-log-torch", "geomloss", "ott-jax")
NEEDS = {"geomloss": "geomloss", "ott-jax": "ott"}


def unit(x) -> np.ndarray:
    """Rows centred and scaled to unit length, float32."""
    x = x - x.mean(axis=0)
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def synthetic(n, m, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors like a centred CLIP space: a decaying spectrum, 200 kinds, similarities of 0.05."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, DIM + 1) ** -0.5
    kinds = rng.normal(size=(200, DIM)).astype(np.float32) * spectrum.astype(np.float32)

    def around(count, noise) -> np.ndarray:
        out = np.empty((count, DIM), dtype=np.float32)
        for start in range(0, count, 65536):
            k = rng.integers(0, 200, min(65536, count - start))
            away = rng.standard_normal((len(k), DIM), dtype=np.float32) * spectrum
            out[start : start + len(k)] = kinds[k] + noise * away
        return unit(out)

    return around(n, 1.0), around(m, 2.0)


def clip_like(n, m, folder, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Real CLIP vectors (500 images, nouns) grown to size by mixing neighbours and noise."""
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)

    def read(name) -> np.ndarray:
        column = pq.read_table(folder / name)["vector"].combine_chunks()
        return unit(column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1))

    def grow(base, count) -> np.ndarray:
        out = np.empty((count, base.shape[1]), dtype=np.float32)
        for start in range(0, count, 65536):
            i, j = rng.integers(0, len(base), (2, min(65536, count - start)))
            w = rng.uniform(0, 0.5, (len(i), 1)).astype(np.float32)
            noise = rng.standard_normal((len(i), base.shape[1]), dtype=np.float32)
            out[start : start + len(i)] = (1 - w) * base[i] + w * base[j] + 0.0155 * noise
        return unit(out)

    nouns = rng.permutation(np.unique(read("nouns.parquet"), axis=0))[:m]
    texts = nouns if len(nouns) == m else np.concatenate([nouns, grow(nouns, m - len(nouns))])
    return grow(read("cifar10_500_images.parquet"), n), unit(texts)


def ours(x, y, epsilon, tol, budget) -> Any:
    """Sortal: the plan is never formed."""
    from sortal.configs.schema import TransportConfig
    from sortal.tasks.transport.solve import solve

    config = TransportConfig(
        epsilon=epsilon, balance=1.0, tol=tol, max_iter=5000, memory_budget=budget
    )
    return solve(x, y, config)


def pot(x, y, epsilon, tol, name) -> Any:
    """POT's plan. Its stop is an L2 norm; 0.8 sqrt(M) turns it into L1 for Gaussian errors."""
    import ot
    import torch

    n, m = len(x), len(y)
    method = "sinkhorn_log" if "log" in name else "sinkhorn"
    kind = torch.from_numpy if name.endswith("torch") else np.asarray
    dtype = np.float32 if name.endswith("torch") else np.float64
    cost = -(kind(x.astype(dtype, copy=False)) @ kind(y.astype(dtype, copy=False)).T)
    if method == "sinkhorn":
        cost += 1.0
    a, b = kind(np.full(n, 1 / n, dtype)), kind(np.full(m, 1 / m, dtype))
    stop = tol / (0.8 * m**0.5)
    return ot.sinkhorn(
        a, b, cost, epsilon, method=method, numItermax=5000, stopThr=stop, log=True, warn=False
    )


def geomloss(x, y, epsilon) -> Any:
    """GeomLoss's solver on the matrix; it has no stop on the marginals, so 200 fixed iterations."""
    import torch
    from geomloss import ot

    return ot.solve(1.0 - torch.from_numpy(x) @ torch.from_numpy(y).T, reg=epsilon, max_iter=200)


def ott_jax(x, y, epsilon, tol) -> Any:
    """OTT-JAX on a point cloud evaluated online in blocks."""
    import jax.numpy as jnp
    from ott.geometry import costs, pointcloud
    from ott.solvers import linear

    cloud = pointcloud.PointCloud(
        jnp.asarray(x), jnp.asarray(y), cost_fn=costs.Cosine(), epsilon=epsilon, batch_size=1024
    )
    return linear.solve(cloud, threshold=tol, max_iterations=5000)


def peak_mb() -> float:
    """Peak resident memory of this process, MiB; getrusage would count its parent's at the fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def contend(name, folder, epsilon, tol, budget) -> None:
    """Run one contender once; print its figures as one JSON line."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if name.startswith("pot"):
        import ot  # noqa: F401 - imported before the clock starts, as ours is
    else:
        import sortal.tasks.transport.solve  # noqa: F401
    x = np.load(folder / "x.npy", mmap_mode="r" if name == "ours" else None)
    y = np.load(folder / "y.npy")
    before, clock, cpu = peak_mb(), time.perf_counter(), time.process_time()
    if name == "ours":
        got = ours(x, y, epsilon, tol, budget)
    elif name.startswith("pot"):
        got = pot(x, y, epsilon, tol, name)
    else:
        got = geomloss(x, y, epsilon) if name == "geomloss" else ott_jax(x, y, epsilon, tol)
    figures = {"seconds": time.perf_counter() - clock, "cpu": time.process_time() - cpu}
    figures |= {"peak_mb": peak_mb(), "added_mb": peak_mb() - before}
    if name == "ours":
        figures |= {"n_iter": got.n_iter, "error": got.marginal_error, "passes": got.n_passes}
    elif name.startswith("pot"):
        plan, record = got
        figures |= {"n_iter": int(record["niter"]), "error": marginal_error(plan)}
    elif name == "geomloss":
        figures |= {"n_iter": 200, "error": marginal_error(got.plan)}
    else:
        figures |= {"n_iter": int(got.n_iters), "error": float(got.errors[got.errors >= 0][-1])}
    print(json.dumps(figures))


def marginal_error(plan) -> float:
    """L1 error of a plan's column sums."""
    columns = np.asarray(plan.sum(0), dtype=np.float64)
    return float(np.abs(columns - 1 / len(columns)).sum())


def run(name, folder, args) -> dict[str, Any]:
    """Figures of one child process, or why there are none."""
    if name in NEEDS and not importlib.util.find_spec(NEEDS[name]):
        return {"note": "not installed"}
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    command += ["--epsilon", str(args.epsilon), "--tol", str(args.tol)]
    if args.memory_budget is not None:
        command += ["--memory-budget", str(args.memory_budget)]
    root = Path(__file__).resolve().parents[1]
    env = os.environ | {"OMP_NUM_THREADS": str(args.threads), "PYTHONPATH": str(root / "src")}
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=args.limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {"note": f"over {args.limit} s"}
    if done.returncode:
        return {"note": f"failed ({(done.stderr.strip().splitlines() or ['killed'])[-1][:60]})"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(results) -> str:
    """Markdown: medians a contender, ratios to ours."""
    heads = "solver, s, CPU s, x ours, iterations, passes, L1 error, peak MB, added MB, of ours"
    lines = ["| " + heads.replace(", ", " | ") + " |"]
    lines.append("|---" * 10 + "|")
    middle = {}
    for name, rounds in results.items():
        good = [r for r in rounds if "seconds" in r]
        if not good:
            lines.append(f"| {name} | {rounds[0]['note']} |" + " |" * 8)
            continue
        middle[name] = {k: statistics.median(r.get(k, np.nan) for r in good) for k in good[0]}
        mine, now = middle["ours"], middle[name]
        lines.append(
            f"| {name} | {now['seconds']:.1f} | {now['cpu']:.1f} "
            f"| {now['seconds'] / mine['seconds']:.1f} "
            f"| {now.get('n_iter', float('nan')):.0f} | {now.get('passes', float('nan')):.0f} "
            f"| {now.get('error', float('nan')):.1e} "
            f"| {now['peak_mb']:.0f} | {now['added_mb']:.0f} "
            f"| {now['added_mb'] / max(mine['added_mb'], 1):.1f} |"
        )
    return "\n".join(lines)


def inputs(folder, n, m, args) -> tuple[int, int]:
    """Write the two matrices every contender reads."""
    if args.images and args.texts:
        x, y = unit(np.load(args.images)[:n]), unit(np.load(args.texts)[:m])
    elif args.clip:
        x, y = clip_like(n, m, args.clip)
    else:
        x, y = synthetic(n, m)
    # A million rows are kept as the vector store keeps them, so that they fit next to the kernel.
    np.save(folder / "x.npy", x if n < HALF_FROM else x.astype(np.float16))
    np.save(folder / "y.npy", y)
    return len(x), len(y)


def main() -> None:
    """Parse, alternate the contenders, print a table a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["10000x2000"], help="images x texts")
    parser.add_argument("--solvers", nargs="+", default=["ours", *PEERS])
    parser.add_argument("--images", type=Path, help=".npy of real image vectors")
    parser.add_argument("--texts", type=Path, help=".npy of real text vectors")
    parser.add_argument("--clip", type=Path, help="folder of real CLIP vectors to grow from")
    parser.add_argument("--epsilon", type=float, default=0.01)
    parser.add_argument("--tol", type=float, default=1e-4)
    parser.add_argument("--memory-budget", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=int, default=600, help="seconds a run")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        contend(args.child, args.folder, args.epsilon, args.tol, args.memory_budget)
        return
    for size in args.sizes:
        n, m = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as name:
            n, m = inputs(Path(name), n, m, args)
            results = {solver: [] for solver in args.solvers}
            for _ in range(args.rounds):
                for solver, rounds in results.items():
                    if not rounds or "seconds" in rounds[-1]:
                        rounds.append(run(solver, Path(name), args))
        print(f"\n{n:,} x {m:,} x {DIM}, epsilon {args.epsilon:g}, {args.threads} threads\n")
        print(table(results), flush=True)


if __name__ == "__main__":
    main()

"""Partitions that are not round: time and memory on made-up vectors, and figures on labelled ones.

    python benchmarks/partitions.py scale --method spectral --rows 100000 --clusters 100
    python benchmarks/partitions.py candidates PARQUET:LABEL_COLUMN...

`scale` writes vectors of kinds of many sizes to a file that is read by blocks, and prints what a
fit takes (processor time is what counts on a busy machine), and how it agrees with the kinds.
`candidates` scores k-means and spectral clustering as `choose.candidates` are scored, next to their
NMI, of vectors with labels (labels decide nothing).
Figures of whole runs are `sortal benchmark`'s: docs/methods.md.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sortal.configs.partition import PartitionConfig
from sortal.storage.rows import ArrayRows
from sortal.tasks.arrays import normalise
from sortal.tasks.choose.score import CrossFit, score
from sortal.tasks.clustering.density import density
from sortal.tasks.clustering.kmeans import KMeansResult, kmeans, label_rows
from sortal.tasks.clustering.means import share_nearest_own
from sortal.tasks.clustering.spectral import spectral
from sortal.tasks.evaluation.agreement import ari, confusion, nmi

_CHUNK = 20_000


def made_up(path: Path, rows: int, dim: int, kinds: int, noise: float) -> np.ndarray:
    """Unit rows in a float16 file: kinds of uneven size, bent each along a curve of its own."""
    rng = np.random.default_rng(0)
    spectrum = (np.arange(1, dim + 1) ** -0.5).astype(np.float32)
    centres = rng.standard_normal((kinds, dim), dtype=np.float32) * spectrum
    bends = rng.standard_normal((3, kinds, dim), dtype=np.float32) * spectrum
    labels = rng.choice(kinds, rows, p=rng.dirichlet(np.full(kinds, 2.0)))
    out = np.lib.format.open_memmap(path, "w+", np.float16, (rows, dim))
    for start in range(0, rows, _CHUNK):
        own = labels[start : start + _CHUNK]
        along = rng.uniform(-1.5, 1.5, (len(own), 1)).astype(np.float32)
        blur = noise * rng.standard_normal((len(own), dim), dtype=np.float32) * spectrum
        block = centres[own] + np.sin(along) * bends[0, own] + (along**2 - 1) * bends[1, own] / 2
        block += np.cos(2 * along) * bends[2, own] / 2 + blur
        out[start : start + _CHUNK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    out.flush()
    return labels


def scale(args: argparse.Namespace) -> None:
    """Fit made-up vectors once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        labels = made_up(path, args.rows, args.dim, args.clusters, args.noise)
        rows = ArrayRows(np.load(path, mmap_mode="r"))
        rule = {"exact_rows": args.exact_rows} if args.exact_rows else {}
        config = PartitionConfig(method=args.method, n_init=args.n_init, spectral=rule)
        before, begin, worked = peak_gb(), time.monotonic(), time.process_time()
        found = fit_of(args.method, rows, args.clusters, config, 0)
        seconds, worked = time.monotonic() - begin, time.process_time() - worked
        counts = confusion(labels, found.labels)
        figures = {
            "method": args.method,
            "rows": args.rows,
            "clusters": len(found.centres),
            "n_fit": found.n_fit,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(worked, 1),
            "peak_gb": round(peak_gb(), 2),
            "peak_gb_before": round(before, 2),
            "nmi": round(100 * nmi(counts), 1),
            "ari": round(100 * ari(counts), 1),
            "without_a_kind": round(float(np.mean(found.labels < 0)), 3),
            "nearest_own": round(share_nearest_own(rows, found, spherical=True), 3),
        }
        print(json.dumps(figures), flush=True)


def fit_of(
    method: str, rows: ArrayRows, n_clusters: int, config: PartitionConfig, seed: int
) -> KMeansResult:
    """A partition by a method."""
    if method == "density":
        return density(rows, config, random_state=seed)[0]
    fit = {"kmeans": kmeans, "spectral": spectral}[method]
    return fit(rows, n_clusters, config, random_state=seed)


def candidates(args: argparse.Namespace) -> None:
    """Agreement of seeds, predictability and NMI of both ways of parting, over seeds of scoring.

    Seeds of spectral clustering agree nearly always, so it is fitted on random four fifths too.
    """
    for named in args.files:
        path, _, column = named.rpartition(":")
        table = pq.read_table(path)
        labels = np.array(table[column].to_pylist())
        raw = np.array(table["vector"].to_pylist(), np.float32)
        vectors = normalise(raw - raw.mean(axis=0))
        for seed in range(args.seeds):
            for method in ("kmeans", "spectral"):
                figures = scored(vectors, labels, method, seed)
                print(json.dumps({"set": named, "seed": seed, "method": method, **figures}))


def scored(vectors: np.ndarray, labels: np.ndarray, method: str, seed: int) -> dict[str, float]:
    """What `choose` would see, by other seeds and by other halves, and the mean NMI."""
    count = len(set(labels))
    rng = np.random.default_rng(seed)
    known = CrossFit(vectors, 3, 1.0, rng)
    config = PartitionConfig(method=method, n_init=3)
    rows = ArrayRows(vectors)
    fits = [fit_of(method, rows, count, config, 10 * seed + n).labels for n in range(4)]
    parts = []
    for n in range(4):
        some = np.sort(rng.permutation(len(vectors))[: 4 * len(vectors) // 5])
        part = fit_of(method, ArrayRows(vectors[some]), count, config, 10 * seed + n)
        parts.append(label_rows(vectors, part.centres, spherical=True)[0])
    told = [known.foretold(each, count) for each in fits]
    plain = score(fits, told)
    others = score(parts, [known.foretold(each, count) for each in parts])
    found = {
        "agreement": plain.agreement,
        "predictability": plain.predictability,
        "agreement_of_parts": others.agreement,
        "predictability_of_parts": others.predictability,
        "nmi": float(np.mean([100 * nmi(confusion(labels, each)) for each in fits])),
    }
    return {name: round(value, 3) for name, value in found.items()}


def peak_gb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("scale")
    one.add_argument("--method", default="spectral")
    one.add_argument("--rows", type=int, default=100_000)
    one.add_argument("--dim", type=int, default=512)
    one.add_argument("--clusters", type=int, default=100)
    one.add_argument("--n-init", type=int, default=20)
    one.add_argument("--noise", type=float, default=0.5, help="1: kinds run into one another")
    one.add_argument("--exact-rows", type=int, help="of spectral, in place of its default")
    one.set_defaults(do=scale)
    two = commands.add_parser("candidates")
    two.add_argument("files", nargs="+")
    two.add_argument("--seeds", type=int, default=6)
    two.set_defaults(do=candidates)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()

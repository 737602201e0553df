"""What each step of a whole run takes, by the number of images: made-up vectors, real steps.

    python benchmarks/whole_run.py FOLDER --rows 100000 250000 [--method cae] [--clusters 62]

Writes ready-made vectors of kinds of uneven size with as many nouns and captions as a real run has,
clusters them in a process of their own, and prints a row a step: seconds, processor seconds, peak
memory, and the exponent by which seconds grow from one size to the next (1: linear).
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

DIM, KINDS, NOUNS, CAPTIONS = 512, 62, 52_536, 5_000
_CHUNK = 50_000


def write_vectors(path: Path, column: str, rows: int, spread: float, seed: int) -> None:
    """Unit float16 vectors about the same KINDS, a row group a chunk; none where they are there."""
    if path.exists():
        return
    kinds = np.random.default_rng(0).standard_normal((KINDS, DIM)).astype(np.float32)
    rng, writer = np.random.default_rng(seed), None
    for start in range(0, rows, _CHUNK):
        count = min(_CHUNK, rows - start)
        own = np.minimum((rng.pareto(1.5, count) * KINDS / 8).astype(np.int64), KINDS - 1)
        block = kinds[own] + spread * rng.standard_normal((count, DIM), dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        flat = pa.array(block.astype(np.float16).ravel())
        names = [f"{path.stem} {number}" for number in range(start, start + count)]
        table = pa.table({column: names, "vector": pa.FixedSizeListArray.from_arrays(flat, DIM)})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="none")
        writer.write_table(table)
    if writer:
        writer.close()


def run(folder: Path, rows: int, method: str, clusters: int) -> list[dict[str, object]]:
    """The steps of a run over `rows` images, from the lake."""
    place, workspace = folder / f"vectors-{rows}", folder / f"workspace-{rows}"
    place.mkdir(parents=True, exist_ok=True)
    write_vectors(place / "images.parquet", "key", rows, 1.0, 1)
    write_vectors(place / "nouns.parquet", "text", NOUNS, 1.5, 2)
    write_vectors(place / "captions.parquet", "text", CAPTIONS, 1.5, 3)
    command = [sys.executable, "-m", "sortal", "cluster", f"vectors:{place}", "-k", str(clusters)]
    command += ["--method", method, "-w", str(workspace), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    run_id = json.loads(done.stdout)["run_id"]
    with Lake(Workspace(workspace), read_only=True) as lake:
        query = "SELECT role, seconds, cpu_seconds, peak_mb FROM artifacts WHERE run_id = ?"
        steps: list[dict[str, object]] = lake.query(query, [run_id]).to_pylist()
        whole = lake.execute("SELECT wall_seconds FROM runs WHERE run_id = ?", [run_id]).fetchone()
    peak = max(float(str(step["peak_mb"] or 0)) for step in steps)
    total = {"role": "whole run", "seconds": (whole or (0.0,))[0], "cpu_seconds": None}
    return [*steps, {**total, "peak_mb": peak}]


def main() -> None:
    """Run every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 250_000])
    parser.add_argument("--method", default="cae")
    parser.add_argument("--clusters", type=int, default=KINDS)
    given = parser.parse_args()
    before: dict[str, tuple[int, float]] = {}
    print("| images | step | seconds | processor s | peak MB | exponent |")
    print("|---|---|---|---|---|---|")
    for rows in given.rows:
        for step in run(given.folder, rows, given.method, given.clusters):
            role, seconds = str(step["role"]), float(str(step["seconds"]))
            power = ""
            if role in before and seconds > 0.5 and before[role][1] > 0:
                n, earlier = before[role]
                power = f"{math.log(seconds / earlier) / math.log(rows / n):.2f}"
            before[role] = rows, seconds
            cpu = "" if step["cpu_seconds"] is None else f"{float(str(step['cpu_seconds'])):.1f}"
            peak = f"{float(str(step['peak_mb'] or 0)):,.0f}"
            if seconds >= 0.5:
                print(
                    f"| {rows:,} | {role} | {seconds:.1f} | {cpu} | {peak} | {power} |", flush=True
                )


if __name__ == "__main__":
    main()

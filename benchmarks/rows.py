"""Ten million rows: the listing of a source and the assignment to clusters alone, and what is held.

    python benchmarks/rows.py [N ...] [--dim 64] [-k 62] [--folder DIR]

For each N (100,000, 1,000,000 and 10,000,000) a Parquet file of N pictures of a few bytes is
listed, with and without the labels, and N vectors of `dim` float16 are put into K clusters by the
product's step `partition`, as a run does. Every line is measured in a process of its own: seconds,
and the peak of memory above what the libraries take. Of one N at a time there are about 0.3 kB a
row on the disk.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

BLOCK = 4096
LINE = "{:8.1f} s {:8.1f} CPU s {:8.0f} MB, {:6.0f} bytes a row"
PICTURE = b"\xff\xd8\xff\xe0 no more"  # a listing looks at no more


def make_table(folder: Path, count: int) -> Path:
    """A Parquet file of `count` rows: image (bytes and path), label."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "images.parquet"
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": kind, "label": pa.string()})
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for start in range(0, count, 100_000):
            rows = range(start, min(start + 100_000, count))
            paths = pa.array([f"IMG_{i:08}.jpg" for i in rows])
            pictures = pa.repeat(pa.scalar(PICTURE), len(rows))
            image = pa.StructArray.from_arrays([pictures, paths], fields=list(kind))
            labels = pa.array([str(i % 10) for i in rows])
            writer.write_table(pa.table([image, labels], schema=schema))
    return path


def make_vectors(folder: Path, count: int, dim: int) -> None:
    """An artifact of `count` fused vectors around 200 centres, in the workspace `folder`."""
    import pyarrow as pa

    from sortal.storage.artifacts import Written, publish
    from sortal.storage.vector_sets import write_shards
    from sortal.storage.workspace import Workspace

    centres = np.random.default_rng(0).standard_normal((200, dim)).astype(np.float32)

    def blocks() -> Iterator[np.ndarray]:
        rng = np.random.default_rng(1)
        for start in range(0, count, BLOCK):
            n = min(BLOCK, count - start)
            noise = rng.standard_normal((n, dim), dtype=np.float32)
            yield centres[rng.integers(0, len(centres), n)] + noise

    def body(into: Path) -> Written:
        pieces = [
            pa.array([f"{i:032x}" for i in range(start, min(start + 100_000, count))])
            for start in range(0, count, 100_000)
        ]
        write_shards(into, pa.concat_arrays(pieces), blocks())
        return Written(rows=count)

    publish(Workspace(folder).create(), "fused", "0" * 32, body)


def listing(folder: str, _clusters: int, labels: bool = False) -> int:
    """The rows of the Parquet file, with their labels where asked for."""
    from sortal.configs.schema import ImagesConfig
    from sortal.tasks.scan.listing import labelled, list_source
    from sortal.tasks.sources.registry import open_source

    source, config = open_source(f"{folder}/images.parquet"), ImagesConfig()
    found = list_source(source, config)
    if labels:
        return labelled(found, source)[0].num_rows
    return found.rows.num_rows


def with_labels(folder: str, clusters: int) -> int:
    """The same with labels."""
    return listing(folder, clusters, labels=True)


def assignment(folder: str, clusters: int) -> int:
    """The partition of the vectors."""
    from sortal.configs.partition import PartitionConfig
    from sortal.storage.artifacts import find
    from sortal.storage.workspace import Workspace
    from sortal.tasks.clustering.step import partition

    workspace = Workspace(Path(folder))
    fused = find(workspace, "fused", "0" * 32)
    assert fused
    config = PartitionConfig()
    made = partition(
        workspace,
        vectors=fused,
        config=config,
        n_clusters=clusters,
        random_state=0,
        fitted=config.fit_rows if fused.rows > config.fit_rows else None,
    )
    return made.rows


WORK: dict[str, Callable[[str, int], int]] = {
    "listing": listing,
    "listing and labels": with_labels,
    "assignment": assignment,
}


def memory(name: str) -> int:
    """Kilobytes of this process as Linux has them: getrusage also counts what its parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def work(name: str, folder: str, clusters: int) -> None:
    """Do one piece of work and print what it took."""
    import pyarrow.parquet  # noqa: F401

    import sortal.tasks.clustering.step
    import sortal.tasks.scan.step  # noqa: F401

    before = memory("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    rows = WORK[name](folder, clusters)
    peak = memory("VmHWM")
    took = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    print(json.dumps(took | {"rows": rows, "mb": (peak - before) / 1024}))


def main() -> None:
    """Make, measure and remove, one number of rows after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[10**5, 10**6, 10**7])
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("-k", "--clusters", type=int, default=62)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--work", nargs=2)
    given = parser.parse_args()
    if given.work:
        work(*given.work, given.clusters)
        return
    for count in given.counts:
        folder = Path(tempfile.mkdtemp(prefix="sortal-rows-", dir=given.folder))
        try:
            make_table(folder, count)
            make_vectors(folder, count, given.dim)
            for name in WORK:
                words = [sys.executable, __file__, "-k", str(given.clusters)]
                done = subprocess.run(
                    [*words, "--work", name, str(folder)],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                took = json.loads(done.stdout.splitlines()[-1])
                figures = (took["seconds"], took["cpu"], took["mb"], took["mb"] * 2**20 / count)
                print(f"{count:11,} rows  {name:20}", LINE.format(*figures), flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Listing many files: files a second and peak memory, beside os.scandir and pyarrow alone.

    python benchmarks/listing.py [N] [--scan] [--folder DIR]

Writes N files (hard links to a few pictures, 1,000 a folder) and a Parquet file of N rows below DIR
(default: a temporary folder). Every line is measured in a process of its own. `--scan` also scans
the tree twice, which reads every file once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

FEW = 40  # pictures; a file has at most 65,000 names
A_FOLDER = 1000


def make_tree(root: Path, count: int) -> Path:
    """`count` files in folders of 1,000."""
    import numpy as np
    from PIL import Image

    tree = root / "tree"
    if tree.exists():
        return tree
    pictures = root / "pictures"
    pictures.mkdir(parents=True)
    for i in range(FEW):
        values = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(values).save(pictures / f"{i}.jpg")
    for start in range(0, count, A_FOLDER):
        folder = tree / f"{start // 100_000:03}" / f"{start // A_FOLDER:06}"
        folder.mkdir(parents=True)
        for i in range(start, min(start + A_FOLDER, count)):
            os.link(pictures / f"{i % FEW}.jpg", folder / f"IMG_{i:08}.jpg")
    return tree


def make_table(root: Path, count: int) -> Path:
    """A Parquet file of `count` rows: image, label."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = root / "images.parquet"
    if path.exists():
        return path
    picture = (root / "pictures/0.jpg").read_bytes()
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": kind, "label": pa.string()})
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for start in range(0, count, 10_000):
            rows = range(start, min(start + 10_000, count))
            images = [{"bytes": picture, "path": f"{i}.jpg"} for i in rows]
            labels = [str(i % 10) for i in rows]
            table = {"image": pa.array(images, kind), "label": labels}
            writer.write_table(pa.table(table, schema=schema))
    return path


def bare_walk(tree: str, stat: bool) -> int:
    """What os.scandir alone takes."""
    count, stack = 0, [tree]
    while stack:
        with os.scandir(stack.pop()) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                else:
                    count += 1
                    if stat:
                        entry.stat(follow_symlinks=False)
    return count


def state(source: str) -> int:
    """What a scan of an unchanged source takes."""
    from sortal.tasks.places.rules import Rules
    from sortal.tasks.sources.registry import open_source

    open_source(source).state(Rules())
    return 0


def listing(source: str) -> int:
    """The rows of a source."""
    from sortal.tasks.containers.base import Columns
    from sortal.tasks.places.rules import Rules
    from sortal.tasks.sources.registry import open_source

    found = open_source(source).listing(Rules(), Columns())
    assert found.n_files == found.rows.num_rows + sum(Counter(found.others).values())
    return found.rows.num_rows


def pyarrow_alone(path: str) -> int:
    """The names and labels of a Parquet file's images."""
    import pyarrow.parquet as pq

    columns = ["image.path", "label"]
    batches = pq.ParquetFile(path, buffer_size=1 << 20).iter_batches(columns=columns)
    return sum(batch.num_rows for batch in batches)


def scan_of(source: str, workspace: str) -> int:
    """A scan, with the workspace's cache."""
    from sortal.configs.schema import ImagesConfig
    from sortal.storage.workspace import Workspace
    from sortal.tasks.scan.step import scan

    made = scan(Workspace(Path(workspace)).create(), source=source, config=ImagesConfig())
    return made.rows


WORK: dict[str, Callable[..., int]] = {
    "os.scandir": lambda tree: bare_walk(tree, False),
    "os.scandir and stat": lambda tree: bare_walk(tree, True),
    "state (an unchanged source)": state,
    "listing": listing,
    "pyarrow alone": pyarrow_alone,
    "scan": scan_of,
}


def measured(name: str, *given: str) -> dict[str, float]:
    """Seconds and megabytes of one piece of work, imports aside, in a process of its own."""
    command = [sys.executable, __file__, "--work", name, *given]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def work(name: str, given: list[str]) -> None:
    """Do one piece of work and print what it took."""
    import pyarrow.parquet  # noqa: F401

    import sortal.tasks.scan.step  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    WORK[name](*given)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "mb": (peak - before) / 1024}))


def main() -> None:
    """Make what is missing, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--scan", action="store_true")
    parser.add_argument("--work", nargs="+")
    given = parser.parse_args()
    if given.work:
        work(given.work[0], given.work[1:])
        return
    with tempfile.TemporaryDirectory(prefix="sortal-listing") as temporary:
        root = given.folder or Path(temporary)
        tree, table = make_tree(root, given.count), make_table(root, given.count)
        bare_walk(str(tree), True)  # what the disk remembers is the same for all
        jobs = [(name, str(tree)) for name in list(WORK)[:4]]
        jobs += [
            (name, str(table))
            for name in ("pyarrow alone", "state (an unchanged source)", "listing")
        ]
        jobs += [("scan", str(tree), str(root / "workspace"))] * 2 if given.scan else []
        for job in jobs:
            took = measured(*job)
            rate = given.count / took["seconds"]
            print(f"{Path(job[1]).name:16} {job[0]:28} {took['seconds']:8.2f} s "
                  f"{rate:12,.0f} a second {took['mb']:8.0f} MB more", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

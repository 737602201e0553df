"""How fast the pages of `sortal browse` are over many images, and whether they bear many users.

    python benchmarks/browse.py FOLDER --images 1000000

makes ready-made vectors in FOLDER and clusters them, unless that is there; then serves them with
`sortal browse` and asks over HTTP. Every address is asked for the first time, so that no answer is
one that was kept; `again` is the same address once more. Made-up vectors: no quality is measured.
"""

import argparse
import hashlib
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.storage.vectors import vector_table

KINDS, DIM, PART = 62, 256, 100_000
QUICK = ["partition.n_init=1", "partition.max_iter=15", "evaluation.silhouette_sample=0",
         "evaluation.stability_sample=0"]  # fmt: skip


def key(number: int) -> str:
    """The key of an image: as those of files, in no order."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


def make(folder: Path, images: int) -> None:
    """Write vectors around KINDS centres, with labels and paths."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((KINDS, DIM)).astype(np.float32)
    for start in range(0, images, PART):
        numbers = range(start, min(start + PART, images))
        kinds = rng.integers(KINDS, size=len(numbers))
        noise = rng.standard_normal((len(numbers), DIM)).astype(np.float32)
        table = vector_table([key(number) for number in numbers], centres[kinds] + 1.2 * noise)
        table = table.append_column("label", pa.array([f"class {kind}" for kind in kinds]))
        paths = [f"photos/{number % 1000}/{number}.jpg" for number in numbers]
        table = table.append_column("path", pa.array(paths))
        pq.write_table(table, folder / f"images-{start // PART:03}.parquet", row_group_size=4096)


def cluster(folder: Path, workspace: Path) -> None:
    """Make a run of k-means over the vectors."""
    settings = [word for setting in QUICK for word in ("--set", setting)]
    command = ["cluster", f"vectors:{folder}", "--method", "kmeans", "-k", str(KINDS)]
    subprocess.run(
        [sys.executable, "-m", "sortal", *command, "-w", str(workspace), *settings], check=True
    )


@contextmanager
def served(workspace: Path) -> Iterator[tuple[str, int]]:
    """The address of a server over the workspace, and its process."""
    command = [sys.executable, "-m", "sortal", "browse", "-w", str(workspace), "--no-open"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        yield server.stdout.readline().strip().rstrip("/"), server.pid
    finally:
        server.terminate()
        server.wait(20)


def memory(pid: int) -> dict[str, float]:
    """Megabytes that are the server's own, that are of mapped files, and the most of both."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    names = {"own": "RssAnon", "mapped": "RssFile", "peak": "VmHWM"}
    return {what: int(found[name].split()[0]) / 1000 for what, name in names.items()}


def addresses(images: int, seed: int) -> dict[str, list[str]]:
    """Addresses of each sort of page, all of them different."""
    rng = random.Random(seed)
    kinds = rng.sample(range(KINDS), 12)
    keys = [key(rng.randrange(images)) for _ in range(40)]
    run = "/run/latest"
    return {
        "kind": [f"{run}/kind/{kind}" for kind in kinds],
        "kind, odd ones": [f"{run}/kind/{kind}?order=odd&after=240" for kind in kinds],
        "kind, near another": [f"{run}/kind/{kinds[0]}?order=near&near={k}" for k in kinds[1:]],
        "image": [f"{run}/image/{each}" for each in keys[:12]],
        "search": [f"{run}/search?like={each}" for each in keys[12:24]],
        "search, filtered": [f"{run}/search?like={each}&label=class+{n}"
                             for n, each in enumerate(keys[24:36])],
        "filters alone": [f"{run}/search?kind={kind}&folder=photos/{kind}" for kind in kinds],
        "changes": [f"{run}/changes"],
    }  # fmt: skip


def timed(client: httpx.Client, address: str) -> float:
    """Milliseconds of an answer that is whole."""
    start = time.perf_counter()
    client.get(address).raise_for_status()
    return (time.perf_counter() - start) * 1000


def warm(client: httpx.Client, images: int) -> float:
    """Search until the index is there; seconds."""
    start = time.perf_counter()
    while "is being made" in client.get(f"/run/latest/search?like={key(images - 1)}").text:
        time.sleep(0.5)
    return time.perf_counter() - start


def load(base: str, images: int, users: int, requests: int) -> None:
    """So many users at once, each asking for so many pages, without a pause."""
    errors: Counter[str] = Counter()
    times: list[float] = []

    def use(number: int) -> None:
        pages = [page for pages in addresses(images, 100 + number).values() for page in pages]
        random.Random(number).shuffle(pages)
        with httpx.Client(base_url=base, timeout=60) as client:
            for page in pages[:requests]:
                try:
                    times.append(timed(client, page))
                except httpx.HTTPError as error:
                    errors[f"{type(error).__name__} {page}"] += 1

    start = time.perf_counter()
    threads = [threading.Thread(target=use, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered, seconds = sorted(times), time.perf_counter() - start
    print(f"{users} users, {len(times)} pages in {seconds:.0f} s, {sum(errors.values())} errors; "
          f"median {statistics.median(ordered):.0f} ms, 95 % within "
          f"{ordered[int(0.95 * (len(ordered) - 1))]:.0f} ms")  # fmt: skip
    for error, count in errors.most_common(5):
        print(f"  {count} x {error}")


def main() -> None:
    """Make, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--requests", type=int, default=25)
    options = parser.parse_args()
    vectors = options.folder / f"vectors-{options.images}"
    workspace = options.folder / f"workspace-{options.images}"
    if not vectors.exists():
        make(vectors, options.images)
    if not workspace.exists():
        cluster(vectors, workspace)
    print(f"{options.images:,} images, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with served(workspace) as (base, pid), httpx.Client(base_url=base, timeout=600) as client:
        print(f"first page {timed(client, '/'):.0f} ms, again {timed(client, '/'):.0f} ms")
        print(f"kinds {timed(client, '/run/latest'):.0f} ms")
        print(f"index and lists ready after {warm(client, options.images):.1f} s")
        for sort, pages in addresses(options.images, 0).items():
            first, again = ([timed(client, page) for page in pages] for _ in range(2))
            print(f"{sort}: first {first[0]:.0f} ms, median {statistics.median(first):.0f} ms, "
                  f"most {max(first):.0f} ms; again {statistics.median(again):.0f} ms")  # fmt: skip
        load(base, options.images, options.users, options.requests)
        print(", ".join(f"{what} {size:,.0f} MB" for what, size in memory(pid).items()))


if __name__ == "__main__":
    main()

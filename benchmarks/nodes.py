"""A cluster that loses its nodes, and its driver, in the middle of a run: what is done again.

`python benchmarks/nodes.py TAR -k 10 --folder DIR` sorts the images of TAR on this machine alone
(kept in DIR/alone, once), then on a real Ray cluster of two nodes of one core each: the driver is
killed (-9) at a quarter of the vectors, and the run started again; a node is killed at half of
them, and one while the first transport is solved. Every figure of the run must be that of this
machine alone, and no shard may be written twice but those that a lost worker had begun.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = ["encoder.shard_size=256", "images.num_workers=0", "ray.spread_rows=1"]
STORE = 100 << 20  # bytes of a node's object store
AGAIN = "its shard is done again"


def go(source: str, clusters: int, workspace: Path, address: str) -> None:
    """One run without Prefect."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from sortal.configs.load import make_config
    from sortal.flows.recluster import recluster

    values = {"source": source, "n_clusters": clusters, "workspace": workspace, "method": "cae"}
    recluster.fn(make_config(values | {"executor": address}, SETTINGS))


class Driver:
    """A run in a process of its own, and what it has written."""

    def __init__(self, options: argparse.Namespace, workspace: Path, address: str) -> None:
        self.workspace, self.log = workspace, workspace.with_suffix(".log")
        words = [sys.executable, __file__, options.tar, "-k", str(options.clusters)]
        words += ["--folder", str(options.folder), "--run", str(workspace), "--address", address]
        self.begun = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def shards(self) -> dict[str, int]:
        """When each shard of images that counts was written, in nanoseconds."""
        sidecars = self.workspace.glob("vectors/*/images/[!.]*.json")
        shards = (path.with_suffix(".parquet") for path in sidecars)
        return {path.name: path.stat().st_mtime_ns for path in shards if path.exists()}

    def until(self, reached: Callable[[], bool]) -> float:
        """Wait; seconds since the run began. Raises RuntimeError where the run ends before."""
        while not reached():
            if self.process.poll() is not None:
                raise RuntimeError(f"the run ended with {self.process.returncode}: {self.log}")
            time.sleep(0.05)
        return time.monotonic() - self.begun

    def lines(self, words: str) -> int:
        """How many lines of the log hold these words."""
        return self.log.read_text().count(words)

    def end(self) -> float:
        """Wait for the end; how many seconds the run took."""
        if self.process.wait():
            raise RuntimeError(f"the run ended with {self.process.returncode}: {self.log}")
        return time.monotonic() - self.begun


def identities(workspace: Path) -> dict[str, str]:
    """What the last run of a workspace is made of, by role, but for what tells of the run."""
    from sortal.storage.lake.lake import Lake
    from sortal.storage.workspace import Workspace

    with Lake(Workspace(workspace), read_only=True) as lake:
        rows = lake.execute("SELECT role, identity FROM artifacts").fetchall()
    return {role: identity for role, identity in rows if role not in ("run", "report")}


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A cluster of a head and a second node, a core each."""
    from ray.cluster_utils import Cluster

    first = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=first)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
        yield cluster
    finally:
        cluster.shutdown()


def end_node(cluster: Any) -> None:
    """Kill every node but the head, as a machine that is switched off."""
    for node in set(cluster.list_all_nodes()) - {cluster.head_node}:
        cluster.remove_node(node, allow_graceful=False)


def lose_all(cluster: Any, options: argparse.Namespace) -> dict[str, Any]:
    """The run on the cluster, whose driver is killed once, and whose nodes twice."""
    workspace, shards = options.folder / "spread", -(-options.images // 256)
    killed = Driver(options, workspace, cluster.address)
    seconds = {"driver": killed.until(lambda: len(killed.shards()) >= shards // 4)}
    killed.process.kill()
    killed.process.wait()
    print("the driver was killed", flush=True)
    kept = killed.shards()
    run = Driver(options, workspace, cluster.address)
    seconds["node"] = run.until(lambda: len(run.shards()) >= shards // 2)
    end_node(cluster)
    print("a node was killed while it embedded", flush=True)
    kept |= {name: at for name, at in run.shards().items() if name not in kept}
    run.until(lambda: run.lines(AGAIN) > 0)
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    seconds["second node"] = run.until(lambda: any(workspace.glob("artifacts/transport/.tmp-*")))
    again = {"shards of images": run.lines(AGAIN)}
    end_node(cluster)
    print("a node was killed during a transport", flush=True)
    seconds["end"] = run.end()
    again["parts of others"] = run.lines(AGAIN) - again["shards of images"]
    now = run.shards()
    return {
        "seconds": {name: round(each, 1) for name, each in seconds.items()},
        "done again": again,
        "written twice": sum(now[name] != at for name, at in kept.items()),
        "shards": len(now),
    }


def main() -> None:
    """Run alone and on the cluster, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tar")
    parser.add_argument("-k", "--clusters", type=int, default=10)
    parser.add_argument("--images", type=int, default=10_000, help="how many TAR holds")
    parser.add_argument("--folder", type=Path, default=Path("nodes"))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--address", default="local")
    options = parser.parse_args()
    if options.run:
        go(options.tar, options.clusters, options.run, options.address)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    took = Driver(options, options.folder / "alone", "local").end()
    print(f"this machine alone: {took:.1f} s", flush=True)
    with two_nodes() as cluster:
        found = lose_all(cluster, options)
    alone, spread = identities(options.folder / "alone"), identities(options.folder / "spread")
    found["same identities"] = sum(spread.get(role) == each for role, each in alone.items())
    found["of"] = len(alone)
    found["other"] = [role for role, each in alone.items() if spread.get(role) != each]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

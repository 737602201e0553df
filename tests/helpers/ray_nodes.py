"""A real Ray cluster of nodes on this machine, and work that lets a test end one of them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HELPERS = str(Path(__file__).parent)
_STORE = 80 << 20  # bytes, about the least that Ray takes
_NODE = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": _STORE}


@contextmanager
def two_nodes() -> Iterator[Any]:
    """`ray.cluster_utils.Cluster` with a CPU on its head and one on a second node.

    And, for those who ask for one, a GPU each, that only Ray believes in.
    """
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = HELPERS  # of the nodes, so that workers know this module
    from ray.cluster_utils import Cluster

    first = {
        "num_cpus": 1,
        "num_gpus": 1,
        "object_store_memory": _STORE,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=first)
    try:
        add_node(cluster)
        yield cluster
    finally:
        cluster.shutdown()
        os.environ.pop("PYTHONPATH")
        os.environ |= {"PYTHONPATH": before} if before else {}


@contextmanager
def client_server(cluster: Any) -> Iterator[str]:
    """The server by which a machine outside of a cluster reaches it; its address, ray://…"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--address", cluster.address, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "ray.util.client.server", *words, "--mode", "proxy"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _listens(port):
            time.sleep(0.05)
            assert server.poll() is None
        yield f"ray://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def only_here(folder: Path) -> Iterator[Path]:
    """A path of `folder` by which no other process finds it: that of a file this one has open."""
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def add_node(cluster: Any) -> Any:
    return cluster.add_node(**_NODE)


class Stalling:
    """Work that writes down who begins a shard; the first one begun off node `spared` stalls.

    Until then node `spared` ends none. A shard is a number, which is squared, or a piece of other
    work's, known by its order.
    """

    def __init__(self, folder: Path, spared: str, work: Callable[[Any], Any] | None = None) -> None:
        self.folder, self.spared, self.work = folder, spared, work

    def __call__(self, shard: Any) -> Any:
        import ray

        node, name = ray.get_runtime_context().get_node_id(), getattr(shard, "order", shard)
        (self.folder / f"{name}-{node}").touch()
        stalled = self.folder / "stalled"
        if node != self.spared and not stalled.exists():
            stalled.write_text(f"{name} {node}")
            time.sleep(600)
        wait_for_text(stalled)
        return self.work(shard) if self.work else shard * shard


def begun_twice(folder: Path) -> list[str]:
    """The shards that were begun more than once."""
    names = [path.name.partition("-")[0] for path in folder.glob("*-*")]
    return sorted(name for name in set(names) if names.count(name) > 1)


def end_node_of_stalled(cluster: Any, folder: Path) -> None:
    """Kill the node on which a shard stalls, as a machine that is switched off."""
    victim = wait_for_text(folder / "stalled").split()[1]
    [node] = [node for node in cluster.list_all_nodes() if node.node_id == victim]
    cluster.remove_node(node, allow_graceful=False)


def wait_for_text(file: Path) -> str:
    """What a file holds, once there is something in it."""
    for _ in range(1200):
        if file.exists() and (text := file.read_text()):
            return text
        time.sleep(0.05)
    raise AssertionError(f"nothing in {file}")

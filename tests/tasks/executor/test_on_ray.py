"""A real cluster of two nodes: the same answers as one machine, whatever is lost meanwhile."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from embedded import embed
from ray_nodes import (
    HELPERS,
    Stalling,
    add_node,
    begun_twice,
    end_node_of_stalled,
)
from ray_runs import N_IMAGES, on, shards
from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError, UsageError
from sortal.configs.executor import ExecutorSpec, RayConfig
from sortal.configs.schema import TransportConfig
from sortal.storage.rows import ArrayRows, read_all
from sortal.storage.vector_sets import FileVectors, open_vectors, write_shards
from sortal.storage.workspace import Workspace
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import using
from sortal.tasks.executor.opening import check_executor
from sortal.tasks.executor.ray_executor import RayExecutor
from sortal.tasks.transport.solve import solve
from transports import clustered

pytestmark = pytest.mark.timeout(400)  # a busy head is asked three times


def test_vectors_are_the_same_and_an_artifact_of_one_is_a_hit_for_the_other(
    cluster, place, alone, tmp_path, monkeypatch
):
    (folder, encoder), (here, local) = place, alone
    monkeypatch.chdir(folder)
    folder = Path()  # a relative source, which is elsewhere to the workers
    workspace = Workspace(tmp_path).create()
    with on(cluster, workspace) as executor, using(executor):
        there = embed(workspace, folder / "in", encoder)
    assert len(shards(workspace, encoder)) > len(shards(here, encoder))  # both workers had some
    assert there.identity == local.identity
    vectors = [read_all(open_vectors(*each)) for each in ((workspace, there), (here, local))]
    assert (vectors[0] == vectors[1]).all()
    assert embed(workspace, folder / "in", encoder) == there


def test_an_error_of_the_work_is_the_error_of_the_run(cluster, workspace):
    alone = on(cluster, workspace, workers=1)
    with alone as executor, pytest.raises(UsageError, match="got 'nowhere'"):
        list(executor.map(check_executor, ["local", "nowhere"], How()))


def test_a_killed_run_goes_on_from_the_shards_that_are_there(cluster, place, alone, tmp_path):
    (folder, encoder), (_, local) = place, alone
    workspace = Workspace(tmp_path).create()
    words = [sys.executable, __file__, cluster.address, *map(str, (tmp_path, folder))]
    path = os.pathsep.join([HELPERS, str(Path(__file__).parents[2])])
    killed = subprocess.Popen([*words, encoder.spec], env=os.environ | {"PYTHONPATH": path})
    while not (before := shards(workspace, encoder)):
        time.sleep(0.02)
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with on(cluster, workspace, workers=1) as executor, using(executor):
        artifact = embed(workspace, folder / "in", encoder)
    assert before.items() <= shards(workspace, encoder).items()
    assert artifact.rows == N_IMAGES
    assert sorted(open_vectors(workspace, artifact).keys) == sorted(
        open_vectors(alone[0], local).keys
    )


def test_a_workspace_that_a_node_does_not_see_is_said_in_a_line(cluster, tmp_path):
    workspace = Workspace(tmp_path).create()
    executor = RayExecutor(
        ExecutorSpec.parse(cluster.address), RayConfig(), workspace, ["/nowhere/at/all"]
    )
    with executor, pytest.raises(RunError, match="a source must be on a filesystem that all nodes"):
        list(executor.map(abs, [1], How()))


def test_shards_of_a_lost_node_are_done_again_and_no_others(cluster, workspace):
    work = Stalling(workspace.root, cluster.head_node.node_id)
    ending = threading.Thread(target=end_node_of_stalled, args=(cluster, workspace.root))
    with on(cluster, workspace) as executor:
        ending.start()
        results = list(executor.map(work, range(12), How()))
        ending.join()
        lost = (workspace.root / "stalled").read_text().split()[:1]
        assert results == [shard * shard for shard in range(12)]
        assert begun_twice(workspace.root) == lost
    add_node(cluster)
    cluster.wait_for_nodes()


class EndsANode(RayExecutor):
    """Loses a node after the third sum over what its workers hold."""

    node = None

    @contextmanager
    def hold(self, make, parts):
        with super().hold(make, parts) as held:
            done = itertools.count(1)

            def reduce(function, *arguments, reduce=held.reduce):
                if next(done) == 3:
                    self.node()
                return reduce(function, *arguments)

            held.reduce = reduce
            yield held


def test_a_transport_whose_rows_are_lost_ends_as_that_of_one_machine(cluster, workspace):
    images, texts = clustered(1500, 40)
    write_shards(workspace.root, [str(row) for row in range(1500)], ArrayRows(images).blocks(256))
    rows = FileVectors.in_folder(workspace.root)
    config = TransportConfig(balance=1.0, tol=1e-6)
    alone = solve(rows, texts, config)
    [second] = [node for node in cluster.list_all_nodes() if node is not cluster.head_node]
    spec = ExecutorSpec.parse(cluster.address)
    ray = RayConfig(spread_rows=1, gpus=1)
    with EndsANode(spec, ray, workspace) as executor, using(executor):
        executor.node = lambda: cluster.remove_node(second, allow_graceful=False)
        spread = solve(rows, texts, config)
        assert executor._pool.gpus == 1  # those who hold rows have what is configured
    assert second not in cluster.list_all_nodes()
    np.testing.assert_allclose(spread.g, alone.g, atol=1e-5)  # the last test: it has lost its node


if __name__ == "__main__":
    address, into, images, name = sys.argv[1:]
    settings = EncoderConfig(spec=name, device="cpu", batch_size=5, num_workers=0)
    at = Workspace(Path(into))
    with RayExecutor(ExecutorSpec.parse(address), RayConfig(), at) as chosen, using(chosen):
        embed(at, Path(images) / "in", settings)

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

from image_files import CONFIG, run, write
from ray_nodes import (
    HELPERS,
    Stalling,
    add_node,
    begun_twice,
    client_server,
    end_node_of_stalled,
    only_here,
    two_nodes,
)
from s3_storage import s3_server  # noqa: F401 - a fixture
from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError, UsageError
from sortal.configs.executor import ExecutorSpec, RayConfig
from sortal.configs.modalities import CocaConfig
from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import FusionConfig, TransportConfig
from sortal.storage.hashing import hash_strings
from sortal.storage.rows import ArrayRows, read_all
from sortal.storage.vector_sets import FileVectors, open_file_vectors, open_vectors, write_shards
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.step import caption_images
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.neighbours import nearest_neighbours
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import using
from sortal.tasks.executor.opening import check_executor
from sortal.tasks.executor.ray_executor import RayExecutor
from sortal.tasks.fusion.step import fuse
from sortal.tasks.transport.solve import solve
from transports import clustered

N_IMAGES = 240

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cluster(s3_server):  # noqa: F811 - of which nodes are told when they start
    pytest.importorskip("ray")
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A collection of images, and an encoder of random weights whose batches are small."""
    from tiny_clip import tiny

    folder = tmp_path_factory.mktemp("on-ray")
    for seed in range(N_IMAGES):
        write(folder / "in" / f"{seed:03}.png", seed=seed)
    spec = tiny(folder / "tiny")
    return folder, EncoderConfig(spec=spec, device="cpu", batch_size=5, num_workers=0)


@pytest.fixture(scope="module")
def alone(place):
    """What this machine makes of the collection by itself."""
    folder, encoder = place
    workspace = Workspace(folder / "alone").create()
    return workspace, embed(workspace, folder, encoder)


def embed(workspace, folder, encoder):
    source = folder / "in"
    return embed_images(
        workspace,
        scan=run(workspace, source),
        source=str(source),
        images=CONFIG,
        encoder=encoder,
        encoder_fingerprint=describe(encoder.spec).fingerprint,
    )


def on(cluster, workspace: Workspace, **settings) -> RayExecutor:
    spec = ExecutorSpec.parse(cluster.address)
    return RayExecutor(spec, RayConfig(**settings), workspace)


def shards(workspace, encoder):
    store = VectorStore.of(workspace, describe(encoder.spec).fingerprint, "images")
    return {path: path.stat().st_mtime_ns for path in store.shards()}


def test_vectors_are_the_same_and_an_artifact_of_one_is_a_hit_for_the_other(
    cluster, place, alone, tmp_path, monkeypatch
):
    (folder, encoder), (here, local) = place, alone
    monkeypatch.chdir(folder)
    folder = Path()  # a relative source, which is elsewhere to the workers
    workspace = Workspace(tmp_path).create()
    with on(cluster, workspace) as executor, using(executor):
        there = embed(workspace, folder, encoder)
    assert len(shards(workspace, encoder)) > len(shards(here, encoder))  # both workers had some
    assert there.identity == local.identity
    vectors = [read_all(open_vectors(*each)) for each in ((workspace, there), (here, local))]
    assert (vectors[0] == vectors[1]).all()
    assert embed(workspace, folder, encoder) == there


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
        artifact = embed(workspace, folder, encoder)
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


def fused(workspace, artifact):
    return fuse(
        workspace,
        images=artifact,
        spaces={},
        transports={},
        transport=TransportConfig(),
        config=FusionConfig(),
    )


def captioned(workspace, folder, images):
    from tiny_clip import tiny_coca

    config = CocaConfig(checkpoint=tiny_coca(folder / "coca"), beams=1, max_tokens=4, batch_size=20)
    source = folder / "in"
    return caption_images(
        workspace,
        config=config,
        images=images,
        scan=run(workspace, source),
        reading=CONFIG,
        source=str(source),
    )


def test_nodes_that_do_not_see_the_workspace_work_by_its_bucket(cluster, place, alone, tmp_path):
    (folder, encoder), (here, local) = place, alone
    with only_here(tmp_path / "driver") as root:
        workspace = Workspace(root, "s3://pictures/ray")
        settings = {"spread_rows": 1, "folder": str(tmp_path / "node"), "workers": 2}
        with on(cluster, workspace, **settings) as executor, using(executor):
            there = embed(workspace, folder, encoder)
            made = fused(workspace, there)
            assert not list(made.folder(workspace).glob("vectors-*"))  # they went past the driver
            rows = open_file_vectors(workspace, made)
            labels = kmeans(rows, 6, PartitionConfig(), random_state=0).labels
            near = nearest_neighbours(rows, 5)
            told = captioned(workspace, folder, there)
        rows_here = open_file_vectors(here, fused(here, local))
        assert there.identity == local.identity
        assert (read_all(rows) == read_all(rows_here)).all()
        assert (labels == kmeans(rows_here, 6, PartitionConfig(), random_state=0).labels).all()
        assert (near == nearest_neighbours(rows_here, 5)).all()
        assert told.identity == captioned(here, folder, local).identity
        assert len(list((tmp_path / "node").rglob("vectors/**/*.parquet"))) > 6  # by both workers


def test_a_machine_outside_the_cluster_works_by_the_bucket_too(cluster, place, alone, tmp_path):
    (folder, encoder), (here, local) = place, alone
    done = outside(cluster, tmp_path, folder, encoder)
    rows_here = open_file_vectors(here, fused(here, local))
    labels = kmeans(rows_here, 6, PartitionConfig(), random_state=0).labels
    same = [local.identity, hash_strings(map(str, labels)), "0 files of vectors in the driver"]
    assert done == same
    assert list((tmp_path / "node").rglob("vectors/**/*.parquet"))


def outside(cluster, into, images, encoder, *spared) -> list[str]:
    """What a run over ray:// in a process of its own prints: `from_outside`, or with a loss."""
    path = os.pathsep.join([HELPERS, str(Path(__file__).parents[2])])
    with client_server(cluster) as address:
        words = [sys.executable, __file__, address, *map(str, (into, images)), encoder.spec]
        bucket = f"s3://pictures/{into.name}"
        environment = os.environ | {"PYTHONPATH": path, "SORTAL_OBJECTS": bucket}
        return subprocess.check_output(
            [*words, *spared], env=environment, text=True, timeout=150
        ).splitlines()


def test_a_bucket_that_a_node_does_not_reach_is_said_in_a_line(cluster, tmp_path):
    with only_here(tmp_path / "driver") as root:
        workspace = Workspace(root, "s3://nowhere/ray")
        executor = on(cluster, workspace, folder=str(tmp_path / "node"))
        with executor, pytest.raises(RunError, match="a node must see the workspace or its bucket"):
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


def test_a_node_lost_to_a_machine_outside_costs_its_shard_too(cluster, place, alone, tmp_path):
    (folder, encoder), (_, local) = place, alone
    begun = tmp_path / "begun"
    begun.mkdir()
    ending = threading.Thread(target=end_node_of_stalled, args=(cluster, begun))
    ending.start()
    done = outside(cluster, tmp_path, folder, encoder, cluster.head_node.node_id)
    ending.join()
    assert done == [local.identity]
    assert begun_twice(begun) == (begun / "stalled").read_text().split()[:1]
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


class Loses(RayExecutor):
    """Whose embedding stalls on a node other than `spared`, which is then ended."""

    begun, spared = Path(), ""

    def map(self, work, shards, how):
        work = Stalling(self.begun, self.spared, work) if self.spared and how.gpus else work
        return super().map(work, shards, how)


def from_outside(address, into, images, settings, spared):
    """A run in a folder that no node sees, whose vectors lie in the bucket of the environment."""
    with only_here(into / "driver") as root:
        workspace = Workspace(root, os.environ["SORTAL_OBJECTS"])
        ray = RayConfig(spread_rows=1, folder=str(into / "node"), workers=2)
        with Loses(ExecutorSpec.parse(address), ray, workspace) as executor, using(executor):
            executor.begun, executor.spared = into / "begun", spared
            artifact = embed(workspace, images, settings)
            if spared:
                print(artifact.identity)
                return
            made = fused(workspace, artifact)
            n_files = len(list(made.folder(workspace).glob("vectors-*")))
            rows = open_file_vectors(workspace, made)
            labels = kmeans(rows, 6, PartitionConfig(), random_state=0).labels
            print(artifact.identity, hash_strings(map(str, labels)), sep="\n")
            print(f"{n_files} files of vectors in the driver")


if __name__ == "__main__":
    address, into, images, name, *spared = sys.argv[1:]
    settings = EncoderConfig(spec=name, device="cpu", batch_size=5, num_workers=0)
    if address.startswith("ray://"):
        from_outside(address, Path(into), Path(images), settings, "".join(spared))
        sys.exit()
    at = Workspace(Path(into))
    with RayExecutor(ExecutorSpec.parse(address), RayConfig(), at) as chosen, using(chosen):
        embed(at, Path(images), settings)

"""Nodes, and drivers outside the cluster, that see no folder of the other but a bucket."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from embedded import embed
from image_files import CONFIG, run
from ray_nodes import (
    HELPERS,
    Stalling,
    add_node,
    begun_twice,
    client_server,
    end_node_of_stalled,
    only_here,
)
from ray_runs import on
from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError
from sortal.configs.executor import ExecutorSpec, RayConfig
from sortal.configs.modalities import CocaConfig
from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import FusionConfig, TransportConfig
from sortal.storage.hashing import hash_strings
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import open_file_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.step import caption_images
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.neighbours import nearest_neighbours
from sortal.tasks.executor.base import How
from sortal.tasks.executor.current import using
from sortal.tasks.executor.ray_executor import RayExecutor
from sortal.tasks.fusion.step import fuse

pytestmark = pytest.mark.timeout(400)  # a busy head is asked three times


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
            there = embed(workspace, folder / "in", encoder)
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
            [*words, *spared], env=environment, text=True, timeout=300
        ).splitlines()


def test_a_bucket_that_a_node_does_not_reach_is_said_in_a_line(cluster, tmp_path):
    with only_here(tmp_path / "driver") as root:
        workspace = Workspace(root, "s3://nowhere/ray")
        executor = on(cluster, workspace, folder=str(tmp_path / "node"))
        with executor, pytest.raises(RunError, match="a node must see the workspace or its bucket"):
            list(executor.map(abs, [1], How()))


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
            artifact = embed(workspace, images / "in", settings)
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
    from_outside(address, Path(into), Path(images), settings, "".join(spared))

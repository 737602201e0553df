"""A cluster of two nodes for each file of tests, a collection, and what one machine makes of it."""

import pytest

from embedded import embed
from image_files import write
from ray_nodes import two_nodes
from ray_runs import N_IMAGES
from s3_storage import s3_server  # noqa: F401 - a fixture
from sortal.configs.encoder import EncoderConfig
from sortal.storage.workspace import Workspace


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
    return workspace, embed(workspace, folder / "in", encoder)

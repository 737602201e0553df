"""k-means on rows that lie on a device, here the CPU: the same as on the cores."""

import numpy as np
import pytest

from sortal.configs.partition import PartitionConfig
from sortal.tasks.clustering import lloyd as module
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.lloyd import TOL, Lloyd, LloydOnDevice, nearest, sums_of
from sortal.tasks.devices.arithmetic import EXACT, Arithmetic
from sortal.tasks.devices.rows import RowsOnDevice
from transports import unit


def blobs(n: int = 600, k: int = 7, dim: int = 24) -> np.ndarray:
    """Unit rows around k directions, which overlap."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(k, dim))[rng.integers(0, k, n)] + 0.8 * rng.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("arithmetic", [EXACT, Arithmetic("tf32"), Arithmetic("bfloat16")])
def test_the_nearest_centre_is_that_of_the_cores_and_its_distance_exact(arithmetic, monkeypatch):
    monkeypatch.setattr("sortal.tasks.devices.rows._BLOCK_ELEMENTS", 24 * 100)  # several blocks
    rows, centres = blobs(), unit(7, 24, seed=5)
    labels, squared = RowsOnDevice(rows, "cpu", arithmetic).nearest(centres)
    expected, distance = nearest(rows, centres)
    assert labels.dtype == np.int32
    assert (labels == expected).mean() > (0.98 if arithmetic.precision == "bfloat16" else 0.999)
    same = labels == expected
    np.testing.assert_allclose(squared[same], distance[same], atol=2e-6)
    assert (squared >= distance - 2e-6).all()


def test_sums_are_those_of_the_clusters(monkeypatch):
    monkeypatch.setattr("sortal.tasks.devices.rows._SUMMED", 24 * 100)
    rows = blobs()
    labels = (np.arange(600) % 5).astype(np.int32)
    sums, counts = RowsOnDevice(rows, "cpu", EXACT).sums(labels, 6)
    np.testing.assert_allclose(sums, sums_of(rows, labels, 6), atol=1e-4)
    assert counts.tolist() == [120] * 5 + [0]


@pytest.mark.parametrize("spherical", [True, False])
def test_lloyd_ends_where_it_ends_on_the_cores(spherical):
    rows, start = blobs(), unit(9, 24, seed=3)
    start[8] = 50.0 * start[8]  # far from all: an empty cluster
    here = Lloyd(rows, start, spherical)
    there = LloydOnDevice(RowsOnDevice(rows, "cpu", EXACT), start, spherical)
    for run in (here, there):
        run.run(100, TOL)
    assert (there.labels == here.labels).all()
    assert (there.n_iter, there.n_empty) == (here.n_iter, here.n_empty)
    assert here.n_empty > 0 or spherical
    np.testing.assert_allclose(there.centres, here.centres, atol=1e-5)
    assert there.inertia == pytest.approx(here.inertia, rel=1e-5)


def test_a_partition_takes_a_gpu_that_is_there_and_is_no_worse(monkeypatch):
    rows, config = blobs(), PartitionConfig(n_init=3)
    here = kmeans(rows, 7, config, random_state=0)
    monkeypatch.setattr(module, "_FOR_A_GPU", 1)
    monkeypatch.setattr(module, "gpu", lambda: "cpu")  # torch's rows, where every machine has them
    made = []
    monkeypatch.setattr(
        module, "LloydOnDevice", lambda *args: made.append(LloydOnDevice(*args)) or made[-1]
    )
    there = kmeans(rows, 7, config, random_state=0)
    assert len(made) == 1
    assert there.inertia == pytest.approx(here.inertia, rel=1e-3)
    assert (there.labels == here.labels).mean() > 0.98

"""What is summed over parts is what is summed over the whole, and no call needs an earlier one."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from executors import InParts
from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import TransportConfig
from sortal.storage.rows import ArrayRows
from sortal.storage.vector_sets import FileVectors, write_shards
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.neighbours import nearest_neighbours
from sortal.tasks.executor.current import using
from sortal.tasks.heads.data import Matrix, write_matrix
from sortal.tasks.transport.solve import solve
from transports import clustered


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    images, texts = clustered(6000, 40)
    folder = tmp_path_factory.mktemp("rows")
    keys = [str(row) for row in range(len(images))]
    write_shards(folder, keys, ArrayRows(images).blocks(256), shard_blocks=2)
    return FileVectors.in_folder(folder), texts


@pytest.mark.parametrize("budget", [10**9, 6000 * 30 * 9, 0])
def test_a_transport_over_parts_is_that_over_the_whole(places, budget):
    rows, texts = places
    config = TransportConfig(balance=1.0, tol=1e-6, memory_budget=budget)
    whole = solve(rows, texts, config)
    with using(InParts()):
        spread = solve(rows, texts, config)
    assert whole.converged and spread.converged
    np.testing.assert_allclose(spread.g, whole.g, rtol=0, atol=1e-12)


@pytest.mark.parametrize("budget", [10**9, 0])
def test_a_transport_that_is_fitted_on_some_is_so_over_parts(places, budget):
    rows, texts = places
    config = TransportConfig(balance=1.0, tol=1e-5, memory_budget=budget, fit_rows=1700)
    whole = solve(rows, texts, config)
    with using(InParts()):
        spread = solve(rows, texts, config)
    assert whole.converged and spread.converged
    np.testing.assert_allclose(spread.g, whole.g, rtol=0, atol=1e-5)
    np.testing.assert_allclose(spread.column_sums, whole.column_sums, rtol=1e-4)
    assert spread.marginal_error == pytest.approx(whole.marginal_error, rel=1e-3)


def test_a_part_of_stored_vectors_is_those_rows(places):
    rows, _ = places
    part = rows.between(300, 1100).between(10, 700)
    every = np.concatenate(list(rows.blocks(1000)))
    assert part.shape == (690, 32)
    assert part.keys == [str(row) for row in range(310, 1000)]
    np.testing.assert_array_equal(np.concatenate(list(part.blocks(77))), every[310:1000])


@pytest.mark.parametrize("max_rows", [None, 900])
def test_clusters_over_parts_are_those_over_the_whole(places, max_rows):
    rows, _ = places
    settings = {"random_state": 3, "max_rows": max_rows}
    whole = kmeans(rows, 8, PartitionConfig(), **settings)
    with using(InParts()):
        spread = kmeans(rows, 8, PartitionConfig(), **settings)
    assert adjusted_rand_score(whole.labels, spread.labels) >= 0.999
    assert spread.inertia == pytest.approx(whole.inertia, rel=1e-5)
    assert spread.n_fit == whole.n_fit


@pytest.mark.parametrize("include_self", [True, False])
def test_neighbours_over_parts_are_those_of_the_whole(places, include_self, monkeypatch, tmp_path):
    monkeypatch.setattr("sortal.tasks.clustering.neighbours._QUERIES", 1000)
    rows, _ = places
    write_matrix(tmp_path / "rows.npy", rows.shape, rows.blocks(500))
    for each in (rows, Matrix(tmp_path / "rows.npy", "cpu")):
        whole = nearest_neighbours(each, 5, include_self=include_self)
        executor = InParts()
        with using(executor):
            spread = nearest_neighbours(each, 5, include_self=include_self)
        assert executor.mapped == 6  # pieces of 1,000 rows
        assert (spread == whole).all()


def test_empty_clusters_get_the_farthest_rows_of_all_parts(places):
    rows, _ = places
    centres = np.concatenate([next(rows.blocks(3)), np.full((2, 32), 9.0, np.float32)])
    config = PartitionConfig(spherical=False)
    whole = kmeans(rows, 5, config, random_state=0, centres=centres)
    with using(InParts()):
        spread = kmeans(rows, 5, config, random_state=0, centres=centres)
    assert whole.n_empty == spread.n_empty > 0
    np.testing.assert_allclose(spread.centres, whole.centres, atol=1e-5)

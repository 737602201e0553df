"""Density: clusters where rows are crowded, none between them, and the same rule for new rows."""

import numpy as np
import pytest
from sklearn.datasets import make_moons

from sortal.configs.partition import DensityConfig, PartitionConfig
from sortal.tasks.clustering.density import MEMBERS, Members, density

FLAT = PartitionConfig(method="density", spherical=False)


def among(n_rows, n_loose, seed=0):
    """Two crowded arcs in a plane of many directions, and rows that are spread over all of it."""
    rng = np.random.default_rng(seed)
    plane, labels = make_moons(n_rows, noise=0.04, random_state=seed)
    loose = rng.uniform((-2.5, -2.0), (3.5, 2.5), size=(n_loose, 2))
    flat = np.vstack([plane, loose]) - (0.5, 0.25)
    lifted = (
        np.hstack([flat, np.full((len(flat), 1), 4.0)])
        @ np.linalg.qr(np.random.default_rng(7).normal(size=(8, 8)))[0][:3]
    )
    return lifted.astype(np.float32), np.concatenate([labels, np.full(n_loose, -1)])


def small(**rule):
    return FLAT.model_copy(update={"density": DensityConfig(min_cluster_size=60, **rule)})


def test_arcs_are_found_with_their_number_and_rows_between_them_are_in_none():
    rows, labels = among(1200, 100)
    found, _ = density(rows, small(), random_state=0)
    assert len(found.centres) == 2
    inside = labels >= 0
    same = found.labels[inside] == found.labels[inside][0]
    assert np.mean(same == (labels[inside] == labels[0])) > 0.98
    assert np.mean(found.labels[~inside] == -1) > 0.7
    assert np.isfinite(found.distances).all()


def test_a_row_of_the_fit_keeps_its_place_and_of_a_sample_the_others_follow(tmp_path):
    rows, labels = among(4000, 300)
    whole, members = density(rows, small(), random_state=0)
    assert (members.placed(rows) == whole.labels).all()
    members.write(tmp_path)
    again = Members.read(tmp_path / MEMBERS).placed(rows[:500])
    assert (again == whole.labels[:500]).all()
    part, _ = density(rows, small(fit_rows=1500), random_state=0)
    assert part.n_fit == 1500 and len(part.centres) == 2
    assert np.mean((part.labels >= 0) == (whole.labels >= 0)) > 0.93


@pytest.mark.parametrize("n_rows", [2, 3, 40])
def test_rows_that_are_too_few_or_all_the_same_break_nothing(n_rows):
    rng = np.random.default_rng(0)
    few, _ = density(rng.normal(size=(n_rows, 6)).astype(np.float32), small(), random_state=0)
    assert len(few.centres) == 0 and (few.labels == -1).all()
    same, members = density(np.ones((n_rows, 6), np.float32), FLAT, random_state=0)
    assert set(same.labels) <= {-1, 0}
    assert set(members.placed(np.ones((1, 6), np.float32))) <= {-1, 0}


def test_the_least_size_goes_with_the_number_of_images():
    rule = DensityConfig()
    assert (rule.size(100), rule.size(40_000), DensityConfig(min_cluster_size=9).size(40_000)) == (
        5, 100, 9,
    )  # fmt: skip

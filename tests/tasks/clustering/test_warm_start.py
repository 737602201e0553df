"""When k-means goes on from earlier centres, and when it compares them with cold starts."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from sortal.configs.lineage import LineageConfig
from sortal.configs.partition import PartitionConfig
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.clustering.warm_start import EarlierFit, fit_cold, fit_warm

KINDS = 4


def kinds(*sizes, seed=0):
    """Rows around three corners of a cube and, the fourth kind, around a place near the second."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centres = 10 * np.eye(4, 8, dtype=np.float32)
    centres[3] = centres[1] + 0.6 * centres[3]
    return centres[labels] + rng.standard_normal((len(labels), 8), dtype=np.float32), labels


def fit_of(rows):
    config = PartitionConfig(n_init=4, spherical=False)
    return lambda centres: kmeans(rows, KINDS, config, random_state=1, centres=centres)


@pytest.fixture(scope="module")
def earlier():
    """A partition of three kinds, one of them shared by two clusters."""
    outcome = fit_cold(fit_of(kinds(300, 100, 100)[0]))
    return EarlierFit(outcome.result.centres, outcome.reference_inertia)


def test_a_cold_fit_is_the_reference_of_the_next():
    outcome = fit_cold(fit_of(kinds(100, 100, 100, 100)[0]))
    assert outcome.facts["warm"] is False and outcome.facts["tried_cold"] is False
    assert outcome.facts["settled"] == pytest.approx(outcome.result.inertia / 400)


def test_more_of_the_same_keeps_the_centres_without_a_comparison(earlier):
    rows, _ = kinds(300, 100, 100)
    outcome = fit_warm(fit_of(rows), earlier, drifted=False, config=LineageConfig())
    assert outcome.kept_centres and not outcome.compared
    assert outcome.reference_inertia == earlier.reference_inertia


def test_drift_compares_and_keeps_centres_that_are_as_good(earlier):
    rows, _ = kinds(300, 100, 100)
    outcome = fit_warm(fit_of(rows), earlier, drifted=True, config=LineageConfig())
    assert outcome.kept_centres and outcome.compared


def test_a_new_kind_raises_the_inertia_and_gets_a_cluster(earlier):
    rows, labels = kinds(300, 100, 100, 60)
    outcome = fit_warm(fit_of(rows), earlier, drifted=False, config=LineageConfig())
    assert outcome.compared and not outcome.kept_centres
    assert adjusted_rand_score(labels, outcome.result.labels) > 0.95
    assert outcome.reference_inertia == pytest.approx(outcome.result.inertia / len(rows))


def test_a_cold_start_must_gain_enough_to_be_taken(earlier):
    rows, _ = kinds(300, 100, 100, 60)
    config = LineageConfig(cold_gain=0.99)
    outcome = fit_warm(fit_of(rows), earlier, drifted=False, config=config)
    assert outcome.kept_centres and outcome.compared

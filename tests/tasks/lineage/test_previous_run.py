"""Series: what a run goes on from, chosen so that the same run again chooses the same."""

import numpy as np
import pytest

from sortal.tasks.lineage.previous_run import Member, choose, mean_shift, settings_of
from sortal.tasks.lineage.step import keep_names


def member(run, scan, previous=None, settings="s", last=9, warm=False):
    return Member(run, scan, settings, previous, last, warm)


FIRST = member("r1", "a")
SECOND = member("r2", "b", "r1", last=10, warm=True)


def name(chosen):
    return chosen and chosen.run_id


@pytest.mark.parametrize(
    ("members", "scan", "settings", "expected"),
    [
        ([], "a", "s", (None, 0, False)),
        ([FIRST], "a", "s", (None, 0, False)),  # the first run again
        ([FIRST], "b", "s", ("r1", 10, True)),
        ([FIRST, SECOND], "b", "s", ("r1", 10, True)),  # the second again: as the first time
        ([FIRST, SECOND], "c", "s", ("r2", 11, True)),
        ([SECOND], "b", "s", ("r2", 11, True)),  # the first is pruned: go on from the run itself
        ([SECOND, member("r3", "b", "r2", last=10, warm=True)], "b", "s", ("r2", 11, True)),
        ([SECOND, member("r3", "b", "r2", last=10, warm=True)], "c", "s", ("r3", 11, True)),
        ([FIRST, SECOND], "a", "s", ("r2", 11, True)),  # back to an earlier state: a new run
        ([FIRST, SECOND], "b", "other", ("r2", 11, False)),  # new settings: ids, but cold
        ([FIRST, SECOND, member("r3", "b", "r2", "other", 12)], "b", "other", ("r2", 11, False)),
        ([FIRST, SECOND, member("r3", "b", "r2", "other", 12)], "b", "s", ("r1", 10, True)),
        ([FIRST, SECOND, member("r3", "b", "r2", "other", 12)], "c", "s", ("r2", 13, True)),
    ],
)
def test_what_a_run_goes_on_from(members, scan, settings, expected):
    previous, next_id, warm = choose(members, scan, settings, full=False)
    assert (name(previous), next_id, warm) == expected


def test_a_full_run_starts_cold_but_keeps_ids_and_the_next_unchanged_run_is_that_run():
    previous, next_id, warm = choose([FIRST, SECOND], "b", "s", full=True)
    assert (name(previous), next_id, warm) == ("r1", 10, False)
    third = member("r3", "b", "r1", last=10)
    for full in (True, False):
        previous, next_id, warm = choose([FIRST, SECOND, third], "b", "s", full=full)
        assert (name(previous), next_id, warm) == ("r1", 10, False)
    assert name(choose([FIRST, SECOND, third], "c", "s", full=False)[0]) == "r3"


def test_only_settings_of_the_result_count():
    one = {"source": "x", "collection": None, "lineage": {"steady": 0.1}, "n_clusters": 3}
    assert settings_of(one) == settings_of(one | {"source": "y", "lineage": {}})
    assert settings_of(one) != settings_of(one | {"n_clusters": 4})


def test_names_are_kept_and_a_new_cluster_gives_way():
    terms = {1: ["cat", "Cats", "kitten"], 2: ["dog"]}
    assert keep_names(["cat", "cat", "dog"], {0: "cat"}, terms, ["Dog"]) == [
        "cat",
        "cat: kitten",
        "dog: 2",
    ]


def test_the_mean_moves_by_about_the_share_of_a_new_kind():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((2000, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    other = np.eye(64)[0] + 0.05 * rng.standard_normal((200, 64))
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    mean = vectors.mean(axis=0)
    assert mean_shift(mean, np.concatenate([vectors, vectors[:100]]).mean(axis=0)) < 0.02
    assert 0.05 < mean_shift(mean, np.concatenate([vectors, other]).mean(axis=0)) < 0.15

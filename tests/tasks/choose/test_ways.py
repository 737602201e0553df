"""Which way of clustering is taken for images that are compared by themselves."""

import pytest

from sortal.tasks.choose.ways import AS_THEY_ARE, TRAINED, best_of


@pytest.mark.parametrize(
    ("figures", "earlier", "taken"),
    [
        ((0.9, 0.7), None, AS_THEY_ARE),
        ((0.7, 0.9), None, TRAINED),
        ((1.0, 1.0), None, AS_THEY_ARE),  # the plainest of equals
        ((0.90, 0.94), AS_THEY_ARE, AS_THEY_ARE),  # not better by a share of 0.05
        ((0.80, 0.94), AS_THEY_ARE, TRAINED),
        ((0.94, 0.90), TRAINED, TRAINED),
        ((0.94, 0.90), "centred", AS_THEY_ARE),  # a way of an earlier version
    ],
)
def test_the_best_foretold_is_taken_and_yesterdays_stays_near_it(figures, earlier, taken):
    foretold = dict(zip((AS_THEY_ARE, TRAINED), figures, strict=True))
    assert best_of(foretold, earlier, 0.05) == taken

import numpy as np

from sortal.tasks.kinds.gather import gathered

# Clusters around three directions: two near the first, three near the second, one at the third.
PLACES = ((1, 0, 0), (1, 0.2, 0), (0, 1, 0), (0, 1, 0.2), (0.2, 1, 0), (0, -0.2, 1))
CENTRES = np.array(PLACES, dtype=np.float32)


def test_clusters_that_are_near_are_one_kind_and_the_largest_comes_first():
    [of] = gathered(CENTRES, np.array([5, 5, 10, 10, 10, 3]), [3])
    assert of.tolist() == [1, 1, 0, 0, 0, 2]


def test_a_coarse_kind_is_made_of_whole_fine_ones():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 8)).astype(np.float32)
    fine, coarse = gathered(centres, rng.integers(0, 50, size=40), [12, 4])
    assert sorted(set(fine)) == list(range(12)) and sorted(set(coarse)) == list(range(4))
    assert len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == 12


def test_many_images_are_moved_less_than_few():
    line = np.array([[0.0], [1.0], [1.9]], dtype=np.float32)
    assert gathered(line, np.array([100, 100, 1]), [2])[0].tolist() == [1, 0, 0]
    assert gathered(line, np.array([1, 100, 100]), [2])[0].tolist() == [0, 0, 1]


def test_an_empty_cluster_has_a_kind_as_well():
    [of] = gathered(CENTRES, np.array([5, 5, 10, 10, 10, 0]), [2])
    assert len(of) == 6 and set(of.tolist()) == {0, 1}

from sortal.configs.evaluation import CountConfig
from sortal.tasks.count.curve import Point
from sortal.tasks.count.peaks import pick

CONFIG = CountConfig()


def curve(**scores: float) -> list[Point]:
    """Points by number of clusters, such as k5=0.7, whose score is their worth."""
    return [Point(int(name[1:]), score, 1.0, 1.0) for name, score in scores.items()]


# 500 images of ten kinds in a real space: number, score, information.
_REAL = ((2, 0.98, 0.64), (3, 0.63, 0.68), (4, 0.58, 0.98), (5, 0.77, 1.32), (6, 0.83, 1.51),
         (7, 0.73, 1.56), (8, 0.75, 1.68), (9, 0.74, 1.78), (10, 0.83, 1.93), (12, 0.75, 1.99),
         (14, 0.68, 1.98), (16, 0.61, 1.92), (18, 0.56, 1.88))  # fmt: skip
REAL = [Point(count, score, 1.0, information) for count, score, information in _REAL]


def test_the_best_is_taken_and_clear_peaks_are_natural():
    found = pick(REAL, CONFIG)
    assert found == (10, [2, 6, 10], [6, 2], False)


def test_of_numbers_that_are_as_good_the_middle_is_taken():
    close = curve(k8=1.5, k10=1.8, k12=2.16, k16=2.13, k18=2.15, k24=1.9)
    assert pick(close, CONFIG) == (16, [16], [], False)  # nothing falls between 12 and 18


def test_a_steep_side_moves_no_peak():
    steep = curve(k3=0.3, k4=0.6, k5=1.0, k6=0.9, k7=0.85, k8=0.8)
    assert pick(steep, CONFIG).n_clusters == 5


def test_a_wiggle_is_no_peak():
    wiggled = curve(k2=0.5, k3=0.7, k4=0.68, k5=0.9, k6=1.5, k7=1.2, k8=0.8)
    assert pick(wiggled, CONFIG).natural == [6]


def test_levels_of_the_tree_are_natural_numbers_well_apart():
    steep = curve(k2=1.0, k3=0.5, k4=1.2, k5=0.6, k6=1.4, k7=0.7, k8=1.6, k9=0.8)
    found = pick(steep, CONFIG)
    assert found.natural == [2, 4, 6, 8] and found.levels == [4, 2]


def test_an_earlier_number_stays_unless_another_is_clearly_better():
    assert pick(REAL, CONFIG, earlier=9).n_clusters == 10
    assert pick(REAL, CONFIG, earlier=9, margin=0.25) == (9, [2, 6, 9], [6, 2], True)
    assert pick(REAL, CONFIG, earlier=10).kept
    assert pick(REAL, CONFIG, earlier=6) == pick(REAL, CONFIG)
    assert pick(REAL, CONFIG, earlier=11) == pick(REAL, CONFIG)  # no longer tried


def test_few_images_and_few_new_ones_are_no_reason_for_another_number():
    few, many = (CONFIG.margin_of(n, new=0.02) for n in (100, 1_000_000))
    assert few > 0.4 and CONFIG.margin < many < CONFIG.margin + 0.01
    assert CONFIG.margin_of(100, new=0.3) == CONFIG.margin


def test_where_nothing_could_be_tried_the_least_number_is_taken():
    assert pick([], CONFIG) == (2, [], [], False)
    assert pick(curve(k2=0.0, k3=0.0), CONFIG).natural == [3]

"""The time a grid still takes: by method where it is known, told for people."""

from sortal.flows.benchmark.eta import TimeLeft

KINDS = {"1": ("pets", "cae"), "2": ("pets", "tac"), "3": ("birds", "cae"), "4": ("birds", "sac")}


def test_cells_take_as_long_as_others_of_their_kind_did():
    left = TimeLeft(KINDS, {("pets", "tac"): 60.0}, jobs=2)
    assert left.seconds() == 120.0  # what is not known is taken for the mean of what is
    left.done("1", 10.0)
    assert left.seconds() == (60 + 10 + 35) / 2  # cae on birds as on pets; sac as the mean
    left.done("3", 30.0)
    assert left.seconds() == (60 + 30) / 2  # sac as others on birds


def test_nothing_known_and_nothing_left():
    left = TimeLeft({"1": ("pets", "cae")}, {}, jobs=1)
    assert left.text() == "time left unknown"
    left.done("1", 1.0)
    assert left.text() == "about 0 s left"
    assert TimeLeft(KINDS, {("pets", "tac"): 600.0}, 1).text() == "about 40 min left"

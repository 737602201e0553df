"""Copies are told from pictures of something similar, whatever was done to them."""

import numpy as np
import pyarrow as pa
import pytest

from looked_run import copies, scene
from sortal.configs.looks import DuplicatesConfig
from sortal.tasks.duplicates.groups import groups_of
from sortal.tasks.duplicates.pairs import near_pairs
from sortal.tasks.looks.figures import figures_of

CONFIG = DuplicatesConfig()


def grey(pictures) -> np.ndarray:
    return np.stack([np.frombuffer(figures_of(each)["grey"], np.uint8) for each in pictures])


@pytest.mark.parametrize("change", ["resized", "cropped", "flipped", "marked"])
def test_a_copy_is_found_and_no_other_picture(change):
    originals = [scene(seed) for seed in range(12)]
    pictures = [*originals, *(copies(each)[change] for each in originals)]
    found = near_pairs(grey(pictures), np.arange(len(pictures)), CONFIG)
    pairs = sorted(zip(found["first"].tolist(), found["second"].tolist(), strict=True))
    assert pairs == [(n, n + 12) for n in range(12)]
    assert bool(found["flipped"].all()) == (change == "flipped")
    assert bool(found["cropped"].all()) == (change == "cropped")


def test_only_fresh_pictures_are_compared_with_all():
    pictures = [scene(0), scene(0), scene(1), copies(scene(1))["resized"]]
    found = near_pairs(grey(pictures), np.array([3]), CONFIG)
    assert [tuple(pair)[:2] for pair in found.tolist()] == [(2, 3)]


def test_pictures_of_one_colour_are_nobodys_copies():
    plain = np.stack([np.full(1024, shade, np.uint8) for shade in (10, 10, 90)])
    assert len(near_pairs(plain, np.arange(3), CONFIG)) == 0


def test_a_group_keeps_the_largest_picture_and_says_what_was_done():
    pairs = pa.table(
        {"key": ["a", "b"], "other": ["b", "c"], "agreement": [0.9, 0.95], "cosine": [1.0, 1.0],
         "flipped": [False, True], "cropped": [False, False]}
    )  # fmt: skip
    facts = pa.table(
        {"key": ["a", "b", "c"], "width": [10, 20, 20], "height": [10, 20, 20], "bytes": [1, 2, 9]}
    )
    rows = groups_of(pairs, facts).to_pylist()
    assert [(row["key"], row["keep"], row["change"], row["n"]) for row in rows] == [
        ("c", "c", None, 3),
        ("b", "c", "flipped", 3),
        ("a", "c", "resized", 3),
    ]

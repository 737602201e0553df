"""What was chosen is compared with its best rival in words, by what the decision was made by."""

import pytest

from sortal.tasks.choose.words import lead_of

ROWS = {"image": 0.70, "image-and-nouns": 0.75, "image-and-nouns-evened": 0.80, "adaptive": 0.72}


def rows(chosen, kept=False, texts="tested", **figures):
    tried = ROWS | {name.replace("_", "-"): value for name, value in figures.items()}
    return [
        {"candidate": name, "words": name, "predictability": value, "score": value and 1 - value,
         "chosen": name == chosen, "kept": kept, "texts": texts}
        for name, value in tried.items()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tried", "words"),
    [
        (rows("image-and-nouns-evened"), "0.800; by image-and-nouns, 0.750, less"),
        (rows("image-and-nouns"), "by image-and-nouns-evened, 0.800, more, but its seeds agree"),
        (rows("image"), "by image-and-nouns, 0.750, not more than chance explains"),
        (rows("adaptive", kept=True), "by image-and-nouns, 0.750, not clearly more"),
        (rows("image-and-nouns-evened", adaptive=0.9), "by adaptive, 0.900, less than this before"),
        (rows("adaptive", texts="trusted"), "0.280; by image, 0.300, not more by enough to"),
        (rows("image", texts="trusted"), "how far seeds agree, times how well held-out images"),
        (rows("image", texts=None), "how well held-out images are foretold: 0.700"),
    ],
)
def test_the_rival_is_the_best_that_could_have_been_taken(tried, words):
    assert words in lead_of(tried)


def test_without_a_rival_nothing_is_said():
    assert lead_of([]) is None
    assert lead_of(rows("image", image_and_nouns=None, adaptive=None)) is None

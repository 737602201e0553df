"""What was chosen is compared with its best rival in words, and with no other candidate."""

import pytest

from sortal.tasks.choose.words import lead_of

ROWS = {"image": 0.70, "image-and-nouns": 0.75, "image-and-nouns-evened": 0.80, "adaptive": 0.72}


def rows(chosen, kept=False, **figures):
    tried = ROWS | {name.replace("_", "-"): value for name, value in figures.items()}
    return [
        {"candidate": name, "predictability": value, "chosen": name == chosen, "kept": kept}
        for name, value in tried.items()
    ]


@pytest.mark.parametrize(
    ("tried", "rival", "how"),
    [
        (rows("image-and-nouns-evened"), "image-and-nouns", "less well"),
        (rows("image-and-nouns"), "image-and-nouns-evened", "better, but its seeds agree less"),
        (rows("image"), "image-and-nouns", "not better by more than chance explains"),
        (rows("adaptive", kept=True), "image-and-nouns", "not clearly better"),
        (rows("image-and-nouns-evened", adaptive=0.9), "adaptive", "less well than this before"),
        (rows("image", image_and_nouns=None, adaptive=None), None, ""),
        ([], None, ""),
    ],
)
def test_the_rival_is_the_best_that_could_have_been_taken(tried, rival, how):
    found = lead_of(tried)
    if rival is None:
        assert found is None
    else:
        assert found[0]["candidate"] == rival and found[1].startswith(how)

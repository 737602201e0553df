import pytest

from sortal.configs.evaluation import ChooseConfig
from sortal.tasks.choose.decide import Decision, Scores, decide
from sortal.tasks.choose.score import Score

KINDS = {"image": "image", "image-evened": "image", "nouns": "nouns", "nouns-evened": "nouns"}
TRUSTED = {"image": "image", "more": "adaptive"} | {
    f"nouns-{each}": f"image-and-nouns-{each}" for each in ("equal", "uncentred")
}


def scores(**figures: tuple[float, float]) -> dict[str, Score]:
    return {
        name.replace("_", "-"): Score(agreement, predictability, 0.01)
        for name, (agreement, predictability) in figures.items()
    }


def where_tested(figures: Scores, earlier: str | None = None, **settings: float) -> Decision:
    """The decision where texts are tested, by default at one standard error."""
    config = ChooseConfig(texts="tested", **{"certainty": 1.0, "margin": 0.0} | settings)
    return decide(figures, KINDS, config, earlier)


def where_trusted(figures: Scores, earlier: str | None = None, **settings: float) -> Decision:
    config = ChooseConfig(texts="trusted", **{"margin": 0.0} | settings)
    return decide(figures, TRUSTED, config, earlier)


@pytest.mark.parametrize("other", ["image", "more"])
def test_trusted_nouns_are_used_unless_another_way_is_clearly_above_them(other):
    close = scores(**{other: (0.9, 0.95), "nouns_equal": (0.97, 0.86)})  # 0.855 against 0.834
    assert where_trusted(close).chosen == "nouns-equal"
    assert where_trusted(close, lead=0.02).chosen == other
    assert (
        where_trusted(scores(**{other: (0.95, 0.95), "nouns_equal": (0.97, 0.8)})).chosen == other
    )


def test_of_trusted_nouns_agreement_times_predictability_decides():
    figures = scores(image=(0.5, 0.9), nouns_equal=(0.7, 0.8), nouns_uncentred=(0.9, 0.7))
    assert where_trusted(figures).chosen == "nouns-uncentred"
    stays = where_trusted(figures, earlier="nouns-equal", margin=0.2)
    assert stays == ("nouns-equal", "nouns-uncentred", True)
    other = where_trusted(figures, earlier="nouns-equal", margin=0.1)
    assert other.chosen == "nouns-uncentred"


def test_yesterdays_image_alone_stays_beside_trusted_nouns_that_are_no_better():
    figures = scores(image=(0.9, 0.95), nouns_equal=(0.97, 0.86))
    assert where_trusted(figures, earlier="image") == ("image", "nouns-equal", True)


def test_texts_are_used_where_images_are_foretold_better_with_them():
    found = where_tested(scores(image=(0.9, 0.80), nouns=(0.5, 0.85)))
    assert (found.chosen, found.other) == ("nouns", "image")


def test_agreement_never_speaks_for_texts():
    assert where_tested(scores(image=(0.5, 0.60), nouns=(0.9, 0.60))).chosen == "image"


def test_a_lead_that_chance_explains_is_none():
    close = scores(image=(0.9, 0.80), nouns=(0.9, 0.81))
    assert where_tested(close).chosen == "image"
    assert where_tested(close, certainty=0).chosen == "nouns"


def test_within_a_kind_agreement_counts_too():
    figures = scores(image=(0.9, 0.8), image_evened=(0.6, 0.9), nouns=(0.9, 0.5))
    assert where_tested(figures).chosen == "image"
    figures = scores(image=(0.8, 0.8), image_evened=(0.9, 0.8), nouns=(0.9, 0.5))
    assert where_tested(figures).chosen == "image-evened"


def test_yesterdays_choice_stays_unless_another_is_clearly_better():
    figures = scores(image=(0.9, 0.80), nouns=(0.9, 0.83))
    assert where_tested(figures, earlier="image", margin=0.05) == ("image", "nouns", True)
    assert where_tested(figures, earlier="image", margin=0.01).chosen == "nouns"
    figures = scores(image=(0.9, 0.8), image_evened=(0.94, 0.8))
    assert where_tested(figures, earlier="image", margin=0.05).chosen == "image"
    assert where_tested(figures, earlier="image", margin=0.03).chosen == "image-evened"


def test_what_could_not_be_measured_is_not_taken():
    figures = {"image": None, "nouns": Score(0.1, 0.1, 0.0)}
    assert where_tested(figures).chosen == "nouns"
    assert where_tested({"image": None, "nouns": None}) == ("image", None, False)
    assert where_tested(figures, earlier="image").chosen == "nouns"

from sortal.tasks.choose.decide import decide
from sortal.tasks.choose.score import Score

KINDS = {"image": "image", "image-evened": "image", "nouns": "nouns", "nouns-evened": "nouns"}


def scores(**figures: tuple[float, float]) -> dict[str, Score]:
    return {
        name.replace("_", "-"): Score(agreement, predictability, 0.01)
        for name, (agreement, predictability) in figures.items()
    }


def test_texts_are_used_where_images_are_foretold_better_with_them():
    found = decide(scores(image=(0.9, 0.80), nouns=(0.5, 0.85)), KINDS)
    assert (found.chosen, found.other) == ("nouns", "image")


def test_agreement_never_speaks_for_texts():
    assert decide(scores(image=(0.5, 0.60), nouns=(0.9, 0.60)), KINDS).chosen == "image"


def test_a_lead_that_chance_explains_is_none():
    close = scores(image=(0.9, 0.80), nouns=(0.9, 0.81))
    assert decide(close, KINDS).chosen == "image"
    assert decide(close, KINDS, certainty=0).chosen == "nouns"


def test_within_a_kind_agreement_counts_too():
    figures = scores(image=(0.9, 0.8), image_evened=(0.6, 0.9), nouns=(0.9, 0.5))
    assert decide(figures, KINDS).chosen == "image"
    figures = scores(image=(0.8, 0.8), image_evened=(0.9, 0.8), nouns=(0.9, 0.5))
    assert decide(figures, KINDS).chosen == "image-evened"


def test_yesterdays_choice_stays_unless_another_is_clearly_better():
    figures = scores(image=(0.9, 0.80), nouns=(0.9, 0.83))
    assert decide(figures, KINDS, earlier="image", margin=0.05) == ("image", "nouns", True)
    assert decide(figures, KINDS, earlier="image", margin=0.01).chosen == "nouns"
    figures = scores(image=(0.9, 0.8), image_evened=(0.94, 0.8))
    assert decide(figures, KINDS, earlier="image", margin=0.05).chosen == "image"
    assert decide(figures, KINDS, earlier="image", margin=0.03).chosen == "image-evened"


def test_what_could_not_be_measured_is_not_taken():
    figures = {"image": None, "nouns": Score(0.1, 0.1, 0.0)}
    assert decide(figures, KINDS).chosen == "nouns"
    assert decide({"image": None, "nouns": None}, KINDS) == ("image", None, False)
    assert decide(figures, KINDS, earlier="image").chosen == "nouns"

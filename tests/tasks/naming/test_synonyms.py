import numpy as np
import pyarrow as pa
import pytest

from sortal.tasks.naming.synonyms import concepts_of, singular


def nouns(*rows):
    names = ("text", "synset", "depth", "frequency")
    return pa.table(
        {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dog", "Dogs"),
        ("box", "boxes"),
        ("glass", "glasses"),
        ("city", "cities"),
        ("church", "churches"),
        ("polar bear", "polar_bears"),
    ],
)
def test_a_plural_has_the_singular_of_its_noun(one, other):
    assert singular(one) == singular(other)


@pytest.mark.parametrize("noun", ["bus", "iris", "glass", "gas", "cactus"])
def test_an_s_that_is_no_plural_stays(noun):
    assert singular(noun) == noun


def test_the_words_of_a_synset_are_one_concept_under_its_common_word():
    table = nouns(
        ("motorcar", "car.n.01", 10, 1),
        ("car", "car.n.01", 10, 71),
        ("truck", "truck.n.01", 10, 20),
    )
    concepts = concepts_of(table, np.array([0.4, 0.3, 0.3]))
    assert concepts.names == ["car", "truck"]
    pooled = concepts.pool(np.array([[1, 2, 4], [0, 1, 0]], dtype=np.float32))
    assert pooled.tolist() == [[3, 4], [1, 0]]


def test_an_unused_word_does_not_stand_for_its_concept():
    table = nouns(("individual", "person.n.01", 3, 51), ("person", "person.n.01", 3, 6833))
    assert concepts_of(table, np.array([0.9, 0.0])).names == ["individual"]


def test_a_plural_with_its_own_meaning_is_kept_apart_and_one_without_is_not():
    table = nouns(
        ("glass", "glass.n.01", 5, 9),
        ("glasses", "spectacles.n.01", 8, 3),
        ("cups", None, None, None),
        ("cup", "cup.n.01", 7, 10),
    )
    concepts = concepts_of(table, np.ones(4))
    assert concepts.names == ["glass", "glasses", "cup"]


def test_rare_and_general_nouns_weigh_less():
    table = nouns(
        ("entity", "entity.n.01", 0, 11),
        ("person", "person.n.01", 3, 6833),
        ("dog", "dog.n.01", 8, 42),
        ("anuran", "anuran.n.01", 10, 0),
    )
    entity, person, dog, anuran = concepts_of(table, np.ones(4)).weights
    assert entity < person < dog
    assert 0.5 < anuran < dog <= 1


def test_words_without_any_counts_weigh_the_same():
    concepts = concepts_of(pa.table({"text": ["cat", "tayra"]}), np.ones(2))
    assert concepts.weights.tolist() == [1, 1]

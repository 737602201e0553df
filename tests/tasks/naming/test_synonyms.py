import numpy as np
import pyarrow as pa
import pytest

from sortal.tasks.corpora import wordnet
from sortal.tasks.naming.synonyms import Known, concepts_of, singular
from sortal.tasks.naming.words import bare, base, told_apart


@pytest.fixture(scope="module")
def known():
    return Known(wordnet.read_embedded())


def nouns(*texts, synsets=None):
    return pa.table(
        {"text": list(texts), "synset": pa.array(synsets or [None] * len(texts), pa.string())}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dog", "Dogs"),
        ("box", "boxes"),
        ("glass", "glasses"),
        ("city", "cities"),
        ("tie", "ties"),
        ("church", "churches"),
        ("polar bear", "polar_bears"),
    ],
)
def test_a_plural_has_the_singular_of_its_noun(one, other):
    assert singular(one) == singular(other)


def test_a_word_is_counted_in_whichever_case_the_corpus_has_it(known):
    assert known.count("moon", "moon.n.01") == known.count("Moon", "moon.n.01") > 0


@pytest.mark.parametrize("noun", ["bus", "iris", "glass", "gas", "cactus"])
def test_an_s_that_is_no_plural_stays(noun):
    assert singular(noun) == noun


def test_the_words_of_a_synset_are_one_concept_under_its_common_word(known):
    synsets = ["car.n.01", "car.n.01", "truck.n.01"]
    concepts = concepts_of(nouns("motorcar", "car", "truck", synsets=synsets), known)
    assert concepts.names[: concepts.n_own] == ["car", "truck"]
    assert concepts.of.tolist() == [0, 0, 1]


def test_nouns_without_synsets_are_taken_in_their_first_sense(known):
    concepts = concepts_of(
        nouns("sandal (type of shoe)", "Sandals", "sandal", "Bluebot", "bluebots"), known
    )
    assert concepts.names == ["sandal", "bluebot"]


def test_what_is_of_a_kind_counts_for_the_kind(known):
    concepts = concepts_of(nouns("puppy", "dog", "Leather Shoes", "shoe", "animal"), known)
    pooled = concepts.pool(np.array([[1.0, 2.0, 4.0, 8.0, 0.0]]))
    assert pooled[:, :5].tolist() == [[1, 3, 4, 12, 3]]
    assert concepts.shares[:5].tolist() == [0.2, 0.4, 0.2, 0.4, 0.6]
    assert concepts.kinds_of(1) == {0, 1}


def test_what_several_nouns_are_kinds_of_is_a_concept_though_no_noun_says_it(known):
    concepts = concepts_of(nouns("shirt", "coat", "puppy", "hammer"), known)
    assert concepts.n_own == 4
    garment = concepts.names.index("garment", 4)
    assert concepts.kinds_of(garment) == {0, 1, garment}
    assert "hammer" not in concepts.names[4:] and "dog" not in concepts.names  # of one kind alone
    added = [*concepts.number][4:]  # in one order, whatever order Python's sets of texts have
    assert len(added) > 1 and added == sorted(added)
    one = concepts_of(nouns("shirt", "coat", "garment"), known)
    assert one.n_own == 3 and one.names.count("garment") == 1


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("Car", "car"),
        ("Fire Truck", "fire truck"),
        ("bat_(animal)", "bat"),
        ("SUV", "SUV"),
        ("labrador_retriever", "Labrador retriever"),
        ("Handbag/Satchel", "handbag/satchel"),
        ("Saint Bernard", "Saint Bernard"),
    ],
)
def test_names_have_one_form_whatever_their_list_has(known, listed, written):
    assert known.spelling(listed) == written
    assert known.spelling(written) == written


def test_a_second_term_tells_apart_what_is_of_one_noun():
    assert told_apart("shirt", "polo shirt") == "shirt: polo"
    assert told_apart("shoe", "leather shoes") == "shoe: leather"
    assert told_apart("shirt", "nightshirt") == "shirt: nightshirt"
    assert {base(name) for name in ("shirt: polo", "shirt (tie)", "shirt")} == {"shirt"}
    assert bare("(odd)") == "(odd)"


def test_rare_and_general_nouns_weigh_less(known):
    entity, person, dog, anuran = concepts_of(
        nouns("entity", "person", "dog", "anuran"), known
    ).weights[:4]
    assert entity < person < dog
    assert 0.5 < anuran < dog <= 1


def test_words_that_nobody_has_counted_weigh_the_same(known):
    assert concepts_of(nouns("zzq", "qqz"), known).weights.tolist() == [1, 1]

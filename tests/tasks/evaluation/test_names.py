"""Whether a cluster's name says its class, by WordNet."""

import pytest

from sortal.tasks.corpora import wordnet
from sortal.tasks.evaluation.names import Senses, closeness, level, matches


@pytest.fixture(scope="module")
def senses():
    return Senses(wordnet.read_embedded())


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        ("frog", "frog", "equal"),
        ("Frogs", "frog", "equal"),
        ("frog: toad", "frog", "equal"),
        ("aquarium fish", "aquarium_fish", "equal"),
        ("car", "automobile", "synonym"),
        ("aeroplane", "airplane", "synonym"),
        ("puppy", "dog", "hypernym"),
        ("canine", "dog", "hypernym"),
        ("Maltese dog", "dog", "hypernym"),
        ("boat", "ship", None),
        ("cluster 3", "dog", None),
        ("entity", "dog", None),
        ("gordon setter", "n02085936", None),
        ("Maltese", "n02085936", "synonym"),
        ("tench", "tench, Tinca tinca", "equal"),
        ("anything", "label of no noun", None),
    ],
)
def test_level(senses, name, label, expected):
    assert level(name, label, senses) == expected


def test_a_names_known_synset_rules_out_its_other_senses(senses):
    assert level("crane", "wader", senses) == "hypernym"
    assert level("crane", "wader", senses, "crane.n.04") is None


def test_a_wordnet_id_is_called_by_its_first_word(senses):
    assert senses.word("n02085936") == "Maltese dog"
    assert senses.word("aquarium_fish") == "aquarium fish"
    assert senses.word("n99999999") == "n99999999"


def test_classes_that_are_no_words_count_nowhere():
    classes = {0: "dog", 1: "Xyzzy 17", 2: "cat"}
    assert matches({0: "puppy", 1: "frog"}, classes, {}) == {
        "name_given": pytest.approx(2 / 3),
        "name_equal": 0.0,
        "name_synonym": 0.0,
        "name_hypernym": 1.0,
    }
    assert matches({1: "frog"}, {1: "Xyzzy 17"}, {}) == {"name_given": 1.0}


def test_nothing_is_said_of_texts_without_vectors():
    assert closeness({0: "a"}, {0: "b"}, {"b": "b"}, {}) == {}

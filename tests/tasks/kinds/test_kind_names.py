import pytest

from sortal.tasks.corpora import wordnet
from sortal.tasks.kinds.names import Part, Words, kind_names

NOUNS = ("boat", "car", "cat", "deer", "dog", "frog", "horse", "tree")


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(wordnet.read_embedded(), {f"{noun}.n.01" for noun in NOUNS})


def parts(**sizes: int) -> list[Part]:
    return [Part(name, f"{name}.n.01" if name in NOUNS else None, n) for name, n in sizes.items()]


def test_a_kind_is_called_by_a_word_that_people_use_for_most_of_it(words):
    assert kind_names({0: parts(cat=9, dog=5, frog=8), 1: parts(boat=5, car=3)}, words) == [
        "animal",
        "vehicle",
    ]
    assert kind_names({0: parts(cat=9, dog=8, boat=2)}, words) == ["mammal"]


def test_without_such_a_word_it_is_called_by_its_largest_clusters(words):
    kinds = {0: parts(boat=5, tree=5), 1: parts(thing=9, other=5, third=1), 2: parts(cat=3)}
    assert kind_names(kinds, words) == ["boat and tree", "thing, other and 1 more", "cat"]


def test_clusters_of_one_noun_are_of_it_and_unnamed_ones_name_nothing(words):
    shirts = [Part("shirt: polo", None, 5), Part("shirt: flannel", None, 4)]
    unnamed = [Part(None, None, 9), Part("cat", "cat.n.01", 1), Part("dog", "dog.n.01", 1)]
    kinds = {0: shirts, 1: [Part(None, None, 3)], 2: unnamed}
    assert kind_names(kinds, words) == ["shirt", None, "cat, dog and 1 more"]


def test_the_larger_of_two_kinds_has_the_word(words):
    kinds = {0: parts(deer=4, horse=3), 1: parts(cat=9, dog=5)}
    assert kind_names(kinds, words) == ["deer and horse", "mammal"]

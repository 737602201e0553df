"""Clusters of one noun: a kind of it, or what it is of or in, tells them apart; never a thing."""

import numpy as np
import pyarrow as pa
import pytest

from sortal.configs.modalities import NamingConfig
from sortal.tasks.naming.apart import names_of, tellers_of
from sortal.tasks.naming.evidence import Evidence, Fits, middles
from sortal.tasks.naming.margins import Margins, likeness
from sortal.tasks.naming.names import Term, noun_of, ranked
from sortal.tasks.naming.synonyms import concepts_of

ANIMALS = ["dog", "terrier", "hound", "cat", "ship", "beach", "leopard", "chair", "apple", "tree"]


def image(words, **shares):
    vector = np.full(len(words), 0.05, dtype=np.float32)
    for word, share in shares.items():
        vector[words.index(word.replace("_", " "))] = share
    return vector / np.linalg.norm(vector)


def margins_of(words, images, labels):
    rows, labels = np.array(images, dtype=np.float32), np.array(labels)
    concepts, mean = concepts_of(pa.table({"text": words})), rows.mean(axis=0)
    config = NamingConfig()
    evidence = Evidence(Fits(np.eye(len(words), dtype=np.float32), mean, config), concepts)
    sizes = np.bincount(labels)
    centres = middles(rows, labels, len(sizes))
    alike = likeness(centres, sizes, mean, config)
    margins = Margins(evidence, rows, labels, alike)
    return margins, concepts, ranked(evidence, centres, sizes, alike, margins)


def names(noun, words, *clusters):
    """Names of clusters of five images, all of `noun`; the last cluster is of other things."""
    images = [one for shares in clusters for one in [image(words, **shares)] * 5]
    images += [image(words, chair=1, apple=0.9)] * 5
    labels = np.repeat(np.arange(len(clusters) + 1), 5)
    margins, concepts, _ = margins_of(words, images, labels)
    place = concepts.names.index(noun)
    nouns = [Term(place, noun, 0.9, 1.0, 0.9)] * len(clusters)
    tellers = [tellers_of(margins, concepts, own, place, 0.5) for own in range(len(clusters))]
    return names_of(nouns, tellers, margins)


def test_kinds_of_a_noun_tell_its_clusters_apart():
    found = names("dog", ANIMALS, {"dog": 0.8, "terrier": 1}, {"dog": 0.8, "hound": 1}, {"dog": 1})
    assert found == ["dog: terrier", "dog: hound", "dog: 1"]


def test_another_thing_never_does():
    found = names("dog", ANIMALS, {"dog": 1, "cat": 0.99}, {"dog": 1, "ship": 0.99})
    assert found == ["dog: 1", "dog: 2"]
    assert names("dog", ANIMALS, {"dog": 1, "leopard": 1}, {"dog": 1}) == ["dog: 1", "dog: 2"]


def test_where_a_thing_is_does():
    found = names("dog", ANIMALS, {"dog": 1, "beach": 0.99}, {"dog": 1, "ship": 0.99})
    assert found == ["dog: beach", "dog: 1"]


def test_clusters_of_one_kind_are_counted_and_what_all_have_tells_nothing():
    terriers = {"dog": 0.8, "terrier": 1}
    assert names("dog", ANIMALS, terriers, terriers) == ["dog: 1", "dog: 2"]
    found = names("dog", ANIMALS, terriers, terriers, {"dog": 1})
    assert found == ["dog: terrier", "dog: terrier 2", "dog: 1"]


def test_of_words_that_wordnet_does_not_know_the_noun_is_the_last_word():
    words = ["shirt", "zzq shirt", "qqz", "chair", "apple", "tree", "ship"]
    found = names("shirt", words, {"shirt": 0.8, "zzq_shirt": 1}, {"shirt": 1, "qqz": 0.99})
    assert found == ["shirt: zzq", "shirt: 1"]
    own = ["zzx", "zzy", "qqz", "chair", "apple", "tree", "ship"]
    assert names("zzx", own, {"zzx": 0.9, "zzy": 1}, {"zzx": 1, "qqz": 1}) == ["zzx: 1", "zzx: 2"]


def test_qualities_are_what_things_are_of_or_in_and_no_things():
    concepts = concepts_of(pa.table({"text": ["wood", "beach", "leopard", "cat", "castle", "qqz"]}))
    assert {concepts.names[place] for place in concepts.qualities} == {"wood", "beach"}


CLOTHES = ["shirt", "coat", "trousers", "chair", "table", "ship", "boat", "apple", "tree"]
CLOTHES += ["puppy", "kitten", "hammer", "lamp", "bridge", "piano", "banana", "fork", "truck"]
CLOTHES += [f"word{place}x" for place in range(300)]  # so that few nouns are much of all


@pytest.mark.parametrize(("others", "name"), [(20, "garment"), (1, None)])
def test_what_several_unsure_nouns_are_kinds_of_names_a_cluster_unless_most_is_that(others, name):
    mixed = [image(CLOTHES, shirt=1, coat=0.99), image(CLOTHES, trousers=1, shirt=0.99),
             image(CLOTHES, coat=1, trousers=0.99)] * 2  # fmt: skip
    images = [*mixed, *[image(CLOTHES, ship=1)] * others]
    _, concepts, terms = margins_of(CLOTHES, images, [0] * len(mixed) + [1] * others)
    found = noun_of(terms[0], concepts, 0.5)
    assert (found and found.word) == name
    assert "garment" not in CLOTHES and noun_of(terms[1], concepts, 0.5).word == "ship"

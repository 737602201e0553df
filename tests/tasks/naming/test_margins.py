"""How sure a noun is: ahead of every other thing, with what alike clusters say."""

import numpy as np
import pyarrow as pa
import pytest

from sortal.configs.modalities import NamingConfig
from sortal.tasks.naming.evidence import Evidence, Fits, middles
from sortal.tasks.naming.margins import Margins, likeness
from sortal.tasks.naming.names import Term, noun_of, without_categories
from sortal.tasks.naming.synonyms import concepts_of

WORDS = ["dog", "puppy", "animal", "ship", "chair", "apple", "hammer", "tree"]
CONCEPTS = concepts_of(pa.table({"text": WORDS}))
PLACE = {name: place for place, name in enumerate(CONCEPTS.names)}
ALONE = NamingConfig(neighbours=0)


def image(**shares):
    vector = np.full(len(WORDS), 0.05, dtype=np.float32)
    for word, share in shares.items():
        vector[WORDS.index(word)] = share
    return vector / np.linalg.norm(vector)


def sure(images, labels, config, *words, cluster=0):
    rows, labels = np.array(images, dtype=np.float32), np.array(labels)
    mean, sizes = rows.mean(axis=0), np.bincount(labels)
    evidence = Evidence(Fits(np.eye(len(WORDS), dtype=np.float32), mean, config), CONCEPTS)
    alike = likeness(middles(rows, labels, len(sizes)), sizes, mean, config)
    nouns = np.array([PLACE[word] for word in words])
    return Margins(evidence, rows, labels, alike).of(cluster, nouns)


def test_kinds_and_what_a_noun_is_a_kind_of_are_no_rivals():
    images = [image(dog=1, puppy=0.9, animal=0.9)] * 5 + [image(ship=1)] * 5
    dog, animal, ship = sure(images, [0] * 5 + [1] * 5, ALONE, "dog", "animal", "ship")
    assert dog > 0.9 and animal > 0.9 and ship < 0.1


def test_of_two_things_that_images_show_equally_often_neither_is_sure():
    images = [image(chair=1), image(apple=1)] * 5 + [image(ship=1)] * 5
    found = sure(images, [0] * 10 + [1] * 5, ALONE, "chair", "apple")
    assert found == pytest.approx([0.5, 0.5], abs=0.02)  # times 10 / 11 that is too little


def test_a_noun_must_be_ahead_at_every_contrast():
    near = image(tree=1, apple=0.8)  # all images are trees; these have apples as well
    images, labels = [near] * 5 + [image(tree=1)] * 20, [0] * 5 + [1] * 20
    plain, away = (
        sure(images, labels, NamingConfig(neighbours=0, contrasts=(contrast,)), "tree", "apple")
        for contrast in (0.0, 1.0)
    )
    assert plain[0] > 0.5 > plain[1] and away[0] < 0.5 < away[1]
    both = sure(images, labels, NamingConfig(neighbours=0, contrasts=(0.0, 1.0)), "tree", "apple")
    assert both == pytest.approx(np.minimum(plain, away)) and (both < 0.5).all()


def test_what_alike_clusters_show_decides_between_things_that_are_close():
    mixed = [image(chair=1, tree=0.6), image(apple=1, tree=0.6)] * 5
    alike = [image(chair=1, tree=0.5)] * 10
    images, labels = [*mixed, *alike, *[image(ship=1)] * 10], np.repeat([0, 1, 2], 10)
    alone = sure(images, labels, ALONE, "chair")[0]
    helped = sure(images, labels, NamingConfig(neighbours=1), "chair")[0]
    assert alone < 0.52 < 0.55 < helped


def test_alike_clusters_never_outvote_a_cluster_of_its_own():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 6)).astype(np.float32)
    sizes = np.r_[np.ones(38, dtype=np.int64), 0, 0]
    weights = likeness(centres, sizes, centres.mean(axis=0), NamingConfig()).toarray()
    assert np.allclose(weights.sum(axis=1), 1) and (weights.diagonal() >= 1 / 1.5 - 1e-6).all()
    assert ((weights > 0).sum(axis=1) <= 3).all() and not weights[:38, 38:].any()
    one = likeness(centres[:1], sizes[:1], centres[0], NamingConfig())
    assert one.toarray().tolist() == [[1]]


def term(place, score, confidence):
    return Term(place, f"word {place}", 0.5, score, confidence)


def test_a_broad_noun_is_the_last_resort_and_a_special_one_may_be_second():
    many = concepts_of(pa.table({"text": ["animal", "dog", *(f"word{i}x" for i in range(200))]}))
    kinds = many.above.tolil()
    kinds[2:30, 0] = 1  # of which many are animals
    broad = concepts_of(pa.table({"text": many.names}))
    object.__setattr__(broad, "above", kinds.tocsr())
    animal, dog = term(0, 2.0, 0.9), term(1, 1.0, 0.6)
    assert noun_of([animal, dog], broad, 0.5) is dog
    assert noun_of([animal, dog], broad, 0.7) is animal
    assert noun_of([dog, animal], broad, 0.7) is None


def test_a_broad_noun_of_which_other_clusters_have_kinds_is_no_name():
    words = ("dog", "puppy", "animal")
    dog, puppy, animal = (Term(PLACE[word], word, 1, 1, 0.9) for word in words)
    assert without_categories([dog, puppy, animal, None], CONCEPTS) == [dog, puppy, None, None]
    assert without_categories([dog, animal, animal], CONCEPTS) == [dog, animal, animal]

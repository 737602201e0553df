"""Names of clusters: the noun that says most where images bear it out, told apart, or none."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sortal.configs.encoder import EncoderConfig
from sortal.configs.modalities import NamingConfig
from sortal.configs.schema import (
    FusionConfig,
    ImagesConfig,
    NounsConfig,
    PartitionConfig,
    TransportConfig,
)
from sortal.storage.artifacts import Written, publish
from sortal.tasks.clustering.assignments import labels_of
from sortal.tasks.clustering.step import partition
from sortal.tasks.corpora.step import load_nouns
from sortal.tasks.embedding.step import embed_images, embed_texts
from sortal.tasks.encoders.registry import describe
from sortal.tasks.fusion.step import fuse
from sortal.tasks.naming.apart import names_of, tellers_of
from sortal.tasks.naming.captions import best_captions, speaking_of
from sortal.tasks.naming.evidence import Evidence, Fits, middles, sampled
from sortal.tasks.naming.margins import Margins, likeness
from sortal.tasks.naming.names import Term, listed, noun_of, ranked, representatives
from sortal.tasks.naming.step import name_clusters
from sortal.tasks.naming.synonyms import concepts_of, singular
from sortal.tasks.naming.words import base
from sortal.tasks.scan.step import scan

WORDS = ["dog", "puppy", "cat", "kitten", "ship", "boat", "chair", "apple", "tree", "hammer"]
CONCEPTS = concepts_of(pa.table({"text": WORDS}))
TEXTS = np.eye(10, dtype=np.float32)
CONFIG = NamingConfig()


def about(*weights):
    """A unit vector that leans to words as `weights` (word=share) says."""
    vector = np.full(10, 0.05, dtype=np.float32)
    for word, share in weights:
        vector[WORDS.index(word)] = share
    return vector / np.linalg.norm(vector)


def named(images, labels, config=CONFIG):
    """Names and nouns of clusters of `images`, which are vectors in the space of TEXTS."""
    rows, labels = np.array(images, dtype=np.float32), np.array(labels)
    count = labels.max() + 1
    evidence = Evidence(Fits(TEXTS, rows.mean(axis=0), config), CONCEPTS)
    sizes, centres = np.bincount(labels), middles(rows, labels, count)
    alike = likeness(centres, sizes, rows.mean(axis=0), config)
    margins = Margins(evidence, rows, labels, alike)
    terms = ranked(evidence, centres, sizes, alike, margins)
    nouns = [noun_of(own, CONCEPTS, config.min_confidence) for own in terms]
    tellers = [
        tellers_of(margins, CONCEPTS, cluster, noun.concept, config.min_confidence) if noun else []
        for cluster, noun in enumerate(nouns)
    ]
    return names_of(nouns, tellers, margins), terms


DOG, CAT, SHIP = (about((word, 1.0)) for word in ("dog", "cat", "ship"))
BLUR = about()


def test_a_cluster_is_called_by_the_noun_that_its_images_say():
    names, terms = named([DOG] * 20 + [CAT] * 20 + [SHIP], [0] * 20 + [1] * 20 + [2])
    assert names == ["dog", "cat", "ship"]
    assert [own[0].confidence > 0.8 for own in terms] == [True, True, False]  # one image says less


def test_a_cluster_whose_images_say_each_something_else_has_no_name():
    each = [about((word, 1.0)) for word in ("ship", "chair", "apple", "tree", "hammer")]
    names, terms = named([DOG, DOG, *each], [0, 0, *[1] * 5])
    assert names == ["dog", None]
    assert terms[1][0].confidence < CONFIG.min_confidence
    assert named([DOG, DOG, *each], [0, 0, *[1] * 5], NamingConfig(min_confidence=0))[0][1]


def test_what_speaks_for_a_kind_speaks_for_what_it_is_a_kind_of():
    images = [about(("dog", 0.9), ("puppy", 1.0)), about(("puppy", 0.9), ("dog", 1.0))]
    assert named([*images, CAT], [0, 0, 1])[0] == ["dog", "cat"]


def term(word, score=1.0, share=0.9, confidence=0.9):
    return Term(CONCEPTS.names.index(word), word, share, score, confidence)


def test_a_noun_that_is_not_sure_gives_way_to_a_surer_special_one():
    assert noun_of([term("dog", 2, confidence=0.1), term("dog", 1)], CONCEPTS, 0.4) is None
    few = concepts_of(pa.table({"text": [f"word{i}x" for i in range(200)] + WORDS}))
    boat = Term(few.names.index("boat"), "boat", 0.9, 1.0, 0.9)
    unsure = Term(few.names.index("ship"), "ship", 0.9, 2.0, 0.1)
    assert noun_of([unsure, boat], few, 0.4) is boat


def test_terms_that_are_above_or_read_like_a_better_one_are_not_listed():
    found = listed([term("puppy"), term("dog"), term("cat")], None, CONCEPTS, 8)
    assert [each.word for each in found] == ["puppy", "cat"]
    assert listed([term("cat"), term("dog")], term("dog"), CONCEPTS, 1)[0].word == "dog"


vectors = arrays(np.float32, st.tuples(st.integers(2, 12), st.just(10)),
                 elements=st.floats(-1, 1, width=16))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(vectors, st.integers(1, 4), st.floats(0, 1))
def test_names_are_distinct_and_shares_bounded_whatever_the_vectors(rows, n_clusters, least):
    labels = np.arange(len(rows)) % n_clusters
    labels[-1] = n_clusters - 1
    names, terms = named(rows, labels, NamingConfig(min_confidence=least))
    given_names = [name for name in names if name]
    assert len({singular(name) for name in given_names}) == len(given_names)
    assert all(base(name) in WORDS for name in given_names)
    assert all(0 <= each.confidence <= 1.001 for own in terms for each in own)


def test_captions_fit_their_cluster_and_speak_of_its_noun():
    texts = ["A puppy runs", "A ship at sea", "Red and blue", "A dog sleeps"]
    vectors = np.array([DOG, SHIP, BLUR, DOG + 0.1 * CAT], dtype=np.float32)
    images, labels = np.array([DOG, DOG, SHIP, SHIP]), np.array([0, 0, 1, 1])
    fits = Fits(vectors, images.mean(axis=0), CONFIG)
    found = best_captions(fits, texts, images, labels, 2)
    assert found[1][0].text == "A ship at sea" and found[1][0].fits == 1
    assert {each.text for each in found[0]} <= {"A puppy runs", "A dog sleeps"}
    assert speaking_of(found[0], term("dog"), CONCEPTS, 0.25) == found[0]
    assert speaking_of(found[0], term("ship"), CONCEPTS, 0.25) == []
    assert speaking_of(found[0], None, CONCEPTS, 0.0) == []


def test_a_sample_has_images_of_every_cluster_in_order():
    labels = np.array([1] * 1000 + [0] * 3 + [-1] * 5 + [3] * 20)
    rows = sampled(labels, 4, 60)
    assert np.bincount(labels[rows]).tolist() == [3, 15, 0, 15]
    assert (np.diff(rows) > 0).all() and rows[0] == 0 and labels[rows].min() == 0


ASSIGNMENTS = pa.table(
    {
        "key": ["e", "d", "c", "b", "a"],
        "cluster": pa.array([0, 0, 0, 2, 2], pa.int32()),
        "distance": pa.array([0.3, 0.1, 0.1, 0.5, 0.2], pa.float32()),
    }
)


def test_representatives_are_nearest_first_and_ties_go_by_key():
    rows = representatives(ASSIGNMENTS, n_clusters=4, count=2).to_pylist()
    assert [row["representatives"] for row in rows] == [["c", "d"], [], ["a", "b"], []]
    assert [row["size"] for row in rows] == [3, 0, 2, 0]
    assert rows[0]["mean_distance"] == pytest.approx(0.5 / 3)
    assert rows[1]["mean_distance"] is None


def test_labels_follow_the_keys_and_failed_images_have_none():
    assert labels_of(pa.array(["a", "x", "e"]), ASSIGNMENTS).tolist() == [2, -1, 0]


def test_an_empty_cluster_has_no_terms():
    evidence = Evidence(Fits(TEXTS, DOG, CONFIG), CONCEPTS)
    centres, sizes = np.array([DOG, np.zeros(10)], dtype=np.float32), np.array([3, 0])
    alike = likeness(centres, sizes, DOG / 2, CONFIG)
    margins = Margins(evidence, np.array([DOG] * 3), np.zeros(3, dtype=np.int64), alike)
    found = ranked(evidence, centres, sizes, alike, margins)
    assert found[0][0].word == "dog" and found[1] == []


def test_the_step_without_texts_still_gives_sizes_and_representatives(workspace):
    def images(folder):
        pq.write_table(ASSIGNMENTS.select(["key"]), folder / "index.parquet")
        return Written()

    def centres(folder):
        pq.write_table(ASSIGNMENTS, folder / "assignments.parquet")
        np.save(folder / "centres.npy", np.eye(3, dtype=np.float32))
        return Written()

    names = name_clusters(
        workspace,
        images=publish(workspace, "image_vectors", "i", images),
        partition=publish(workspace, "partition", "p", centres),
        corpora={},
        texts={},
        config=NamingConfig(representatives=1),
    )
    rows = pq.read_table(names.file(workspace, "clusters.parquet")).to_pylist()
    assert [row["name"] for row in rows] == [None, None, None]
    assert [row["size"] for row in rows] == [3, 0, 2]
    assert [row["representatives"] for row in rows] == [["c"], [], ["a"]]
    terms = pq.read_table(names.file(workspace, "terms.parquet"))
    assert terms.column_names == [
        "cluster", "corpus", "rank", "term", "mass", "score", "confidence",
    ]  # fmt: skip


def test_real_clip_vectors_get_names_that_fit(workspace, clip):
    encoder = EncoderConfig(spec=f"vectors:{clip}")
    mark = describe(encoder.spec).fingerprint
    found = scan(workspace, source=str(clip), config=ImagesConfig())
    images = embed_images(
        workspace,
        scan=found,
        source=str(clip),
        images=ImagesConfig(),
        encoder=encoder,
        encoder_fingerprint=mark,
    )
    corpus = load_nouns(workspace, config=NounsConfig(), encoder=encoder.spec)
    texts = embed_texts(
        workspace,
        corpus=corpus,
        encoder=encoder,
        encoder_fingerprint=mark,
        templates=("{}",),
    )
    alone = {"spaces": {}, "transports": {}}
    fused = fuse(
        workspace, images=images, transport=TransportConfig(), config=FusionConfig(), **alone
    )
    clusters = partition(
        workspace, vectors=fused, config=PartitionConfig(n_init=3), n_clusters=10, random_state=0
    )
    out = name_clusters(
        workspace,
        images=images,
        partition=clusters,
        corpora={"noun": corpus},
        texts={"noun": texts},
        config=NamingConfig(),
    )
    names = [base(name) for name in out.facts["names"] if name]
    right = {"horse", "deer", "boat", "ship", "plane", "bird", "dog", "truck", "aircraft", "cat",
             "car", "frog", "motor vehicle", "vehicle"}  # fmt: skip
    assert len(names) >= 6
    assert len([name for name in names if name in right]) >= 0.8 * len(names)

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import (
    FusionConfig,
    ImagesConfig,
    NamingConfig,
    NounsConfig,
    PartitionConfig,
    SelectionConfig,
    TransportConfig,
)
from sortal.storage.artifacts import Written, publish
from sortal.tasks.clustering.assignments import labels_of
from sortal.tasks.clustering.step import partition
from sortal.tasks.corpora.step import load_nouns
from sortal.tasks.embedding.step import embed_images, embed_texts
from sortal.tasks.encoders.registry import describe
from sortal.tasks.fusion.step import fuse
from sortal.tasks.naming.names import (
    Scores,
    choose_names,
    relative_scores,
    representatives,
    score_nouns,
)
from sortal.tasks.naming.step import _tables, name_clusters
from sortal.tasks.naming.synonyms import singular
from sortal.tasks.scan.step import scan
from sortal.tasks.selection.step import select
from sortal.tasks.transport.step import solve_transport

NOUNS = pa.table(
    {
        "text": ["entity", "dog", "domestic dog", "cat", "animal", "ship", "boat"],
        "synset": ["entity.n.01", "dog.n.01", "dog.n.01", "cat.n.01", "animal.n.01", "ship.n.01",
                   "boat.n.01"],
        "depth": [0, 8, 8, 9, 6, 10, 10],
        "frequency": [11, 42, 0, 18, 50, 49, 60],
    }
)  # fmt: skip
DOGS = [0.10, 0.20, 0.20, 0.05, 0.20, 0.00, 0.00]
CATS = [0.10, 0.05, 0.00, 0.35, 0.20, 0.00, 0.00]
SHIPS = [0.10, 0.00, 0.00, 0.00, 0.00, 0.60, 0.05]


def scored(*mass):
    return score_nouns(NOUNS, np.array(mass, dtype=np.float32), n_images=300)


def test_clusters_get_the_noun_that_sets_them_apart():
    assert choose_names(scored(DOGS, CATS, SHIPS)) == ["dog", "cat", "ship"]


def test_two_clusters_of_one_kind_get_two_names():
    names = choose_names(scored(DOGS, SHIPS, [0.1, 0, 0, 0, 0, 0.5, 0.4]))
    assert names == ["dog", "ship", "boat"]


def test_a_second_noun_is_added_only_where_the_first_is_taken_and_the_rest_is_weak():
    terms = ["dog", "beach", "snow"]
    share = np.ones((2, 3)) / 3
    scores = Scores(terms, share, np.array([[1.0, 0.1, 0.0], [0.9, 0.0, 0.1]]))
    assert sorted(choose_names(scores)) in (["dog", "dog (beach)"], ["dog", "dog (snow)"])


def test_the_same_single_noun_everywhere_still_gives_distinct_names():
    scores = Scores(["dog"], np.ones((3, 1)), np.full((3, 1), 0.5))
    assert sorted(choose_names(scores)) == ["dog", "dog (2)", "dog (3)"]


def test_singular_and_plural_never_name_two_clusters():
    scores = Scores(["dog", "dogs", "cat"], np.ones((2, 3)), np.array([[1, 1, 0.6], [1, 1, 0.7]]))
    assert choose_names(scores) == ["dog", "cat"]


def test_clusters_without_texts_are_numbered():
    clusters, terms = _tables({}, representatives(ASSIGNMENTS, 4, 2), NamingConfig())
    assert clusters["name"].to_pylist() == ["cluster 1", "cluster 2", "cluster 3", "cluster 4"]
    assert clusters["caption"].null_count == 4
    assert terms.num_rows == 0


masses = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 8)),
                elements=st.floats(0, 1, width=32))  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(masses)
def test_names_are_distinct_whatever_the_mass(mass):
    words = ["dog", "dogs", "cat", "Cats", "bus", "ship", "tree", "rose"][: mass.shape[1]]
    share, score = relative_scores(mass, 50)
    names = choose_names(Scores(words, share, score))
    assert len({singular(name) for name in names}) == len(mass)
    assert all(names)


@settings(max_examples=200, deadline=None)
@given(masses, st.floats(0.01, 100))
def test_scores_are_finite_sum_to_a_divergence_and_ignore_the_scale(mass, scale):
    share, score = relative_scores(mass, 50)
    assert np.isfinite(score).all()
    if mass.sum() > 1e-3:
        assert share.sum(axis=1) == pytest.approx(1, abs=1e-9)
        assert (score.sum(axis=1) > -1e-9).all()
        assert relative_scores(mass * scale, 50)[1] == pytest.approx(score, abs=1e-6)


def test_an_image_alone_in_its_cluster_scores_less_than_many():
    few = np.array([[1, 0, 0], [0, 50, 49.0]])
    many = np.array([[50, 0, 0], [0, 25, 25.0]])
    assert relative_scores(few, 100)[0][0, 0] < relative_scores(many, 100)[0][0, 0]


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


def test_the_caption_is_the_one_of_highest_relative_mass():
    share, score = relative_scores(np.array([[3, 2, 0], [3, 0, 2.0]]), 10)
    captions = Scores(["a photo", "a dog runs", "a cat sits"], share, score)
    nouns = scored(DOGS, CATS)
    found, terms = _tables(
        {"noun": nouns, "caption": captions},
        representatives(ASSIGNMENTS, 2, 1),
        NamingConfig(terms=2, captions=1),
    )
    assert found["caption"].to_pylist() == ["a dog runs", "a cat sits"]
    assert found.column_names == [
        "cluster", "name", "size", "caption", "mean_distance", "representatives",
    ]  # fmt: skip
    assert max(terms.filter(pa.compute.equal(terms["corpus"], "noun"))["rank"].to_pylist()) == 2


def test_the_step_without_spaces_still_gives_sizes_and_representatives(workspace):
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
        spaces={},
        transports={},
        config=NamingConfig(representatives=1),
        transport=TransportConfig(),
    )
    rows = pq.read_table(names.file(workspace, "clusters.parquet")).to_pylist()
    assert [row["name"] for row in rows] == ["cluster 1", "cluster 2", "cluster 3"]
    assert [row["size"] for row in rows] == [3, 0, 2]
    assert [row["representatives"] for row in rows] == [["c"], [], ["a"]]
    terms = pq.read_table(names.file(workspace, "terms.parquet"))
    assert terms.column_names == ["cluster", "corpus", "rank", "term", "mass", "score"]


def test_real_clip_vectors_get_names_that_fit(workspace, clip):
    folder = clip
    encoder = EncoderConfig(spec=f"vectors:{folder}")
    mark = describe(encoder.spec).fingerprint
    found = scan(workspace, source=str(folder), config=ImagesConfig())
    images = embed_images(
        workspace,
        scan=found,
        source=str(folder),
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
    space = select(
        workspace,
        images=images,
        texts=texts,
        corpus=corpus,
        config=SelectionConfig(),
        n_clusters=10,
        random_state=0,
    )
    transport = solve_transport(workspace, images=images, space=space, config=TransportConfig())
    alone = {"spaces": {}, "transports": {}}
    fused = fuse(
        workspace, images=images, transport=TransportConfig(), config=FusionConfig(), **alone
    )
    clusters = partition(
        workspace, vectors=fused, config=PartitionConfig(n_init=3), n_clusters=10, random_state=0
    )
    named = name_clusters(
        workspace,
        images=images,
        partition=clusters,
        corpora={"noun": corpus},
        spaces={"noun": space},
        transports={"noun": transport},
        config=NamingConfig(),
        transport=TransportConfig(),
    )
    names = {singular(name) for name in named.facts["names"]}
    assert len(names) == 10
    assert len(names & {"horse", "deer", "boat", "ship", "plane", "bird", "dog", "truck"}) >= 4

"""The steps between vectors and clusters, run on artifacts: select, transport, fuse, partition."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from sortal.configs.errors import UsageError
from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import FusionConfig, SelectionConfig, TransportConfig
from sortal.storage.artifacts import Written, publish
from sortal.storage.hashing import hash_text
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import FileVectors, write_index
from sortal.storage.vectors import VectorStore, vectors_of
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import mean_of, normalise
from sortal.tasks.clustering.step import partition
from sortal.tasks.fusion.step import fuse
from sortal.tasks.selection.step import select
from sortal.tasks.transport.step import solve_transport

KINDS, DIM, N_IMAGES = 4, 16, 240


def vectors_artifact(workspace, modality, kind, keys, vectors):
    """What embedding writes: shards, index.parquet and mean.npy."""
    store = VectorStore.of(workspace, f"enc-{kind}", modality)
    store.add(keys, vectors)

    def body(folder):
        shards, order = write_index(folder, store, keys)
        np.save(folder / "mean.npy", mean_of(vectors))
        facts = {"store": f"enc-{kind}", "modality": modality, "dim": DIM}
        return Written(rows=len(keys), identity=order, facts=facts, shared=shards)

    return publish(workspace, kind, f"{kind}-{modality}", body)


def corpus_artifact(workspace, texts):
    def body(folder):
        table = pa.table({"key": [hash_text(text) for text in texts], "text": texts})
        pq.write_table(table, folder / "corpus.parquet")
        return Written(rows=len(texts))

    return publish(workspace, "nouns", "corpus", body)


@pytest.fixture
def world(workspace):
    """Images of four kinds and nouns, half of them of no kind, in two far-apart cones."""
    rng = np.random.default_rng(0)
    kinds = normalise(rng.standard_normal((KINDS, DIM)).astype(np.float32))
    labels = np.arange(N_IMAGES) % KINDS
    gap = 2 * normalise(rng.standard_normal((2, DIM)).astype(np.float32))
    noise = rng.standard_normal((N_IMAGES, DIM)).astype(np.float32)
    images = normalise(gap[0] + kinds[labels] + 0.1 * noise)
    of_kind = np.repeat(kinds, 5, axis=0)
    other = normalise(rng.standard_normal((20, DIM)).astype(np.float32))
    noise = rng.standard_normal((40, DIM)).astype(np.float32)
    texts = normalise(gap[1] + np.concatenate([of_kind, other]) + 0.05 * noise)
    names = [f"kind {i // 5} noun {i % 5}" for i in range(20)] + [f"other {i}" for i in range(20)]
    return {
        "labels": labels,
        "images": vectors_artifact(
            workspace, "images", "image_vectors", [f"i{i:04d}" for i in range(N_IMAGES)], images
        ),
        "texts": vectors_artifact(
            workspace, "texts", "text_vectors", [hash_text(name) for name in names], texts
        ),
        "corpus": corpus_artifact(workspace, names),
    }


def selected(workspace, world, **options):
    return select(
        workspace,
        images=world["images"],
        texts=world["texts"],
        corpus=world["corpus"],
        config=SelectionConfig(**options),
        n_clusters=KINDS,
        random_state=0,
    )


def fused(workspace, world, spaces, transport=None, **options):
    transport = transport or TransportConfig(epsilon=0.1)
    solved = {
        name: solve_transport(workspace, images=world["images"], space=space, config=transport)
        for name, space in spaces.items()
    }
    return fuse(
        workspace,
        images=world["images"],
        spaces=spaces,
        transports=solved,
        transport=transport,
        config=FusionConfig(**options),
    )


@pytest.mark.parametrize("method", ["nearest", "reverse_softmax"])
def test_the_space_holds_the_nouns_of_the_images(workspace, world, method):
    space = selected(workspace, world, method=method, top_k=2)
    table = pq.read_table(space.file(workspace, "space.parquet"))
    assert table.column_names == ["key", "text", "vector"]
    assert space.facts["n_centres"] == 3 * KINDS
    assert (space.facts["n_texts"], space.facts["n_selected"]) == (40, len(table))
    if method == "nearest":
        assert all(text.startswith("kind") for text in table["text"].to_pylist())
    assert table["key"].to_pylist() == [hash_text(text) for text in table["text"].to_pylist()]
    np.testing.assert_allclose(np.linalg.norm(vectors_of(table), axis=1), 1, atol=2e-3)


def test_a_space_of_one_text_may_name_clusters(workspace, world):
    texts = vectors_artifact(
        workspace, "texts", "one_text", [hash_text("other 0")], np.eye(1, DIM, dtype=np.float32)
    )
    assert selected(workspace, {**world, "texts": texts}, centred=False).rows == 1


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({}, DIM),
        ({"mode": "concat"}, 3 * DIM),
        ({"mode": "concat", "weights": "equal", "centred": False}, 3 * DIM),
    ],
)
def test_from_vectors_to_the_kinds_that_were_planted(workspace, world, options, width):
    space = selected(workspace, world)
    vectors = fused(workspace, world, {"noun": space, "caption": space}, **options)
    rows = FileVectors(sorted(vectors.folder(workspace).glob("vectors-*.parquet")))
    assert rows.shape == (N_IMAGES, width)
    found = partition(
        workspace, vectors=vectors, config=PartitionConfig(), n_clusters=KINDS, random_state=0
    )
    table = pq.read_table(found.file(workspace, "assignments.parquet"))
    assert [str(field.type) for field in table.schema] == ["string", "int32", "float"]
    order = np.argsort(table["key"].to_pylist())
    assert adjusted_rand_score(world["labels"], table["cluster"].to_numpy()[order]) == 1.0
    assert found.facts["sizes"] == [N_IMAGES // KINDS] * KINDS
    assert found.facts["n_empty"] == 0
    assert np.load(found.file(workspace, "centres.npy")).shape == (KINDS, width)


def test_weights_of_used_modalities_sum_to_one(workspace, world):
    vectors = fused(workspace, world, {"noun": selected(workspace, world)})
    weights = pq.read_table(vectors.file(workspace, "weights.parquet"))
    image, noun, caption = (
        weights[f"w_{name}"].to_numpy() for name in ("image", "noun", "caption")
    )
    np.testing.assert_allclose(image + noun, 1, atol=1e-5)
    assert not caption.any()
    means = vectors.facts["mean_weights"]
    assert means == pytest.approx({"image": image.mean(), "noun": noun.mean()}, abs=1e-5)


def test_without_spaces_the_vectors_are_the_images(workspace, world):
    for centred in (False, True):
        vectors = fused(workspace, world, {}, centred=centred)
        rows = FileVectors(sorted(vectors.folder(workspace).glob("vectors-*.parquet")))
        store = VectorStore.of(workspace, "enc-image_vectors", "images")
        images = vectors_of(pq.read_table(store.shards()[0]))
        mean = np.load(world["images"].file(workspace, "mean.npy"))
        expected = normalise(images - mean) if centred else images
        np.testing.assert_allclose(read_all(rows), expected, atol=2e-3)


def test_transport_and_fusion_may_be_centred_apart(workspace, world):
    space = selected(workspace, world)
    means = {}
    for centred in (True, False):
        transport = TransportConfig(epsilon=0.1, centred=True)
        vectors = fused(workspace, world, {"noun": space}, transport, centred=centred)
        rows = read_all(FileVectors(sorted(vectors.folder(workspace).glob("vectors-*.parquet"))))
        means[centred] = float(np.linalg.norm(rows.mean(axis=0)))
    assert means[True] < 0.3 < means[False]


def test_more_clusters_than_images_is_a_usage_error(workspace, world):
    with pytest.raises(UsageError, match=r"n_clusters must be in \[2, 240\], got 241"):
        partition(
            workspace,
            vectors=fused(workspace, world, {}),
            config=PartitionConfig(),
            n_clusters=N_IMAGES + 1,
            random_state=0,
        )


def test_an_earlier_run_is_where_transport_and_k_means_start(workspace, world):
    space = selected(workspace, world)
    config = TransportConfig(epsilon=0.05, tol=1e-6, balance=1.0)
    first = solve_transport(workspace, images=world["images"], space=space, config=config)
    again = solve_transport(
        workspace, images=world["images"], space=space, config=config, earlier=first
    )
    assert (first.facts["warm"], again.facts["warm"]) == (False, True)
    assert again.facts["n_iter"] < first.facts["n_iter"]
    vectors = fused(workspace, world, {"noun": space})
    options = {"vectors": vectors, "config": PartitionConfig(), "n_clusters": KINDS}
    cold = partition(workspace, **options, random_state=0)
    warm = partition(workspace, **options, random_state=1, earlier=cold)
    tables = [
        pq.read_table(found.file(workspace, "assignments.parquet"), columns=["key", "cluster"])
        for found in (cold, warm)
    ]
    assert warm.facts["warm"] and tables[0] == tables[1]
    three = partition(workspace, **{**options, "n_clusters": 3}, random_state=0, earlier=cold)
    assert not three.facts["warm"]


def test_a_fit_on_a_sample_says_what_it_costs(workspace, world):
    vectors = fused(workspace, world, {})
    settings = {"n_clusters": KINDS, "random_state": 0, "config": PartitionConfig()}
    whole = partition(workspace, vectors=vectors, **settings)
    some = partition(workspace, vectors=vectors, fitted=100, **settings)
    assert whole.facts["n_fit"] == N_IMAGES and "inertia_gap" not in whole.facts
    assert some.facts["n_fit"] == 100 and some.rows == N_IMAGES
    assert some.facts["inertia"] >= whole.facts["inertia"] * (1 - 1e-6)
    assert -0.5 < some.facts["inertia_gap"] < 0.5


def test_vectors_fused_side_by_side_are_the_same(workspace, world, tmp_path):
    spaces = {"noun": selected(workspace, world, top_k=2)}
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            own = Workspace(tmp_path / str(threads))
            shutil.copytree(workspace.root, own.root)
            found.append(fused(own, world, spaces).folder(own) / "vectors-00000.parquet")
    finally:
        torch.set_num_threads(before)
    assert found[0].read_bytes() == found[1].read_bytes()

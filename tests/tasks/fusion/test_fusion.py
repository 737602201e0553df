import logging

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortal.configs.schema import FusionConfig
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import FileVectors, write_shards
from sortal.tasks.arrays import normalise
from sortal.tasks.fusion.fuser import adaptive_weights, fuse_block
from sortal.tasks.fusion.step import _mean_weights, weights_table


def fuse(image, others, mode="sum", weights="adaptive", gamma=0.1):
    return fuse_block(
        image, others, FusionConfig.model_construct(mode=mode, weights=weights, gamma=gamma)
    )


modes = st.sampled_from(["sum", "concat"])


@st.composite
def modalities(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    count, rows, dim = draw(st.integers(1, 3)), draw(st.integers(1, 20)), draw(st.integers(2, 32))
    return [normalise(rng.standard_normal((rows, dim)).astype(np.float32)) for _ in range(count)]


@settings(max_examples=100, deadline=None)
@given(modalities(), modes, st.sampled_from(["adaptive", "equal"]), st.floats(1e-3, 100))
def test_weights_sum_to_one_and_vectors_are_unit(vectors, mode, weights, gamma):
    image, *others = vectors
    fused, share = fuse(image, others, mode, weights, gamma)
    assert share.shape == (len(image), len(vectors))
    assert np.all(share >= 0)
    np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-5)
    width = image.shape[1] * (len(vectors) if mode == "concat" else 1)
    assert fused.shape == (len(image), width)
    np.testing.assert_allclose(np.linalg.norm(fused, axis=1), 1, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(modalities(), modes, st.integers(0, 1000))
def test_rows_are_fused_one_by_one_so_order_and_duplicates_do_not_matter(vectors, mode, seed):
    image, *others = vectors
    rows = np.random.default_rng(seed).integers(len(image), size=2 * len(image))
    fused, share = fuse(image, others, mode)
    again, share_again = fuse(image[rows], [other[rows] for other in others], mode)
    np.testing.assert_allclose(again, fused[rows], atol=1e-6)
    np.testing.assert_allclose(share_again, share[rows], atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(modalities(), modes)
def test_a_large_gamma_means_equal_weights(vectors, mode):
    image, *others = vectors
    adaptive, _ = fuse(image, others, mode, "adaptive", gamma=1e6)
    equal, _ = fuse(image, others, mode, "equal")
    np.testing.assert_allclose(adaptive, equal, atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(modalities())
def test_without_counterparts_the_vector_is_the_image(vectors):
    fused, share = fuse(vectors[0], [])
    np.testing.assert_allclose(fused, vectors[0], atol=1e-6)
    np.testing.assert_array_equal(share, 1)


def test_weights_follow_the_papers_equation():
    x = normalise(np.array([[1.0, 0.0], [1.0, 1.0]], dtype=np.float32))
    pair = np.stack([x[:1], x[1:]])
    prototype = pair.mean(axis=0)[0]
    cosines = np.array([x[m] @ prototype for m in (0, 1)]) / np.linalg.norm(prototype)
    expected = np.exp(cosines / 0.1) / np.exp(cosines / 0.1).sum()
    np.testing.assert_allclose(adaptive_weights(pair, 0.1)[0], expected, rtol=1e-5)


def test_a_small_gamma_picks_the_vector_nearest_to_the_prototype():
    image = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    noun = normalise(np.array([[0.0, 1.0, 0.0]], dtype=np.float32))
    caption = normalise(np.array([[0.0, 1.0, 0.2]], dtype=np.float32))
    _, share = fuse(image, [noun, caption], gamma=0.001)
    assert share[0, 0] < 1e-6


def test_equal_concatenation_is_tacs():
    image, noun = np.eye(2, dtype=np.float32)[[0]], np.eye(2, dtype=np.float32)[[1]]
    fused, _ = fuse(image, [noun], "concat", "equal")
    np.testing.assert_allclose(fused, [[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]], atol=1e-6)


def test_zero_counterparts_do_not_make_nan():
    image = np.eye(3, dtype=np.float32)
    for mode in ("sum", "concat"):
        fused, share = fuse(image, [np.zeros_like(image)], mode)
        assert np.isfinite(fused).all()
        assert np.isfinite(share).all()


def test_shards_hold_the_rows_in_order(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((11, 4)).astype(np.float32)
    keys = [f"k{i}" for i in range(11)]
    write_shards(tmp_path, keys, (vectors[i : i + 2] for i in range(0, 11, 2)), shard_blocks=2)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"vectors-0000{i}.parquet" for i in range(3)]
    assert sum((pq.read_table(file)["key"].to_pylist() for file in files), []) == keys
    np.testing.assert_allclose(read_all(FileVectors(files)), vectors, atol=2e-3)


def test_unused_modalities_weigh_nothing():
    table = weights_table(["a", "b"], {"image": np.array([0.5, 0.25], np.float32),
                                       "caption": np.array([0.5, 0.75], np.float32)})  # fmt: skip
    assert table.column_names == ["key", "w_image", "w_noun", "w_caption"]
    assert table["w_noun"].to_pylist() == [0, 0]
    assert table["w_caption"].to_pylist() == [0.5, 0.75]


@pytest.mark.parametrize(("weight", "said"), [(0.01, True), (0.2, False)])
def test_losing_the_image_is_said(weight, said, caplog):
    with caplog.at_level(logging.WARNING, "sortal"):
        _mean_weights({"image": np.full(3, weight, np.float32)})
    assert ("the image is being lost" in caplog.text) == said

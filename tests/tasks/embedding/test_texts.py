"""Embedding of texts, and of ready-made vectors: templates, stores and look-ups."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded import embed
from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import RunError, UsageError
from sortal.storage.artifacts import Written, publish
from sortal.storage.hashing import hash_text
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import open_vectors
from sortal.tasks.embedding import texts as embedding
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.embedding.texts import text_vectors
from sortal.tasks.encoders.registry import describe, open_encoder
from tiny_clip import tiny


def corpus(workspace, texts, name="nouns"):
    table = pa.table({"key": [hash_text(text) for text in texts], "text": texts})

    def body(folder):
        pq.write_table(table, folder / "corpus.parquet")
        return Written(rows=len(texts))

    return publish(workspace, name, hash_text("|".join(texts)), body)


def embed_corpus(workspace, texts, config, templates=("{}",)):
    fingerprint = describe(config.spec).fingerprint
    return embed_texts(
        workspace,
        corpus=corpus(workspace, texts),
        encoder=config,
        encoder_fingerprint=fingerprint,
        templates=templates,
    )


def test_texts_are_averaged_over_templates_before_they_are_normalised(config):
    encoder = open_encoder(config)
    templates = ("a {}", "the {} of a friend")
    got = text_vectors(["cat", "dog"], templates, encoder)
    raw = [encoder.encode_texts(["a dog"])[0], encoder.encode_texts(["the dog of a friend"])[0]]
    mean = np.mean(raw, axis=0)
    np.testing.assert_allclose(got[1], mean / np.linalg.norm(mean), atol=1e-5)


def test_text_vectors_keep_the_order_of_the_texts(config, monkeypatch):
    monkeypatch.setattr(embedding, "_TEXT_BLOCK", 3)
    encoder = open_encoder(config)
    texts = ["a long text of words", "b", "middling one", "c", "dd", "e {} brace", "f"]
    got = text_vectors(texts, ("{}",), encoder)
    for text, vector in zip(texts, got, strict=True):
        np.testing.assert_allclose(vector, text_vectors([text], ("{}",), encoder)[0], atol=1e-5)


def test_other_templates_or_weights_never_share_a_store(tmp_path, workspace, config):
    plain = embed_corpus(workspace, ["cat", "dog"], config)
    prompted = embed_corpus(workspace, ["cat", "dog"], config, ("a photo of a {}.",))
    other = config.model_copy(update={"spec": tiny(tmp_path / "other", seed=1)})
    others = embed_corpus(workspace, ["cat", "dog"], other)
    assert len({a.facts["store"] for a in (plain, prompted, others)}) == 3
    assert len({a.identity for a in (plain, prompted, others)}) == 3


def test_only_new_texts_of_a_corpus_are_embedded(workspace, config, monkeypatch):
    monkeypatch.setattr(embedding, "_TEXT_SHARD", 2)
    first = embed_corpus(workspace, ["cat", "dog", "tree"], config)
    seen = []
    monkeypatch.setattr(
        embedding,
        "text_vectors",
        lambda texts, *rest, real=embedding.text_vectors: seen.extend(texts) or real(texts, *rest),
    )
    second = embed_corpus(workspace, ["dog", "house", "cat"], config)
    assert seen == ["house"]
    assert first.rows == second.rows == 3
    keys = open_vectors(workspace, second).keys
    assert sorted(keys) == sorted(hash_text(text) for text in ("dog", "house", "cat"))


def test_an_empty_corpus_stops_the_run(workspace, config):
    with pytest.raises(RunError, match="nouns must hold a text, got none"):
        embed_corpus(workspace, [], config)


@pytest.fixture
def ready(tmp_path):
    folder = tmp_path / "ready"
    folder.mkdir()
    rows = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    keys = list("abcdefg")
    pq.write_table(pa.table({"key": keys, "vector": list(rows)}), folder / "images.parquet")
    texts = {"text": ["cat", "dog"], "vector": list(rows[:2])}
    pq.write_table(pa.table(texts), folder / "nouns.parquet")
    return folder, rows


def test_ready_made_vectors_are_copied_and_looked_up(workspace, ready):
    folder, rows = ready
    config = EncoderConfig(spec=f"vectors:{folder}")
    artifact = embed(workspace, folder, config)
    vectors = open_vectors(workspace, artifact)
    assert vectors.keys == list("abcdefg")
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(read_all(vectors), unit, atol=1e-3)
    texts = embed_corpus(workspace, ["dog"], config)
    np.testing.assert_allclose(read_all(open_vectors(workspace, texts)), unit[[1]], atol=1e-3)


def test_images_without_a_ready_made_vector_are_refused(workspace, source, ready):
    folder, _ = ready
    with pytest.raises(UsageError, match="14 of 14 have none.*use the same folder"):
        embed(workspace, source, EncoderConfig(spec=f"vectors:{folder}"))

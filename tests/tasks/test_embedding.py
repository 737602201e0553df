"""Embedding: only what is missing is done, and a killed run goes on where it was."""

import json
import shutil

import numpy as np
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from image_files import CONFIG, run, write

from configs.errors import RunError, UsageError
from configs.schema import EncoderConfig
from storage.artifacts import Written, publish
from storage.hashing import hash_text
from storage.rows import read_all
from storage.vectors import VectorStore
from tasks import embedding
from tasks.embedding import (
    Halving,
    count_missing,
    embed_images,
    embed_texts,
    open_vectors,
    text_vectors,
)
from tasks.encoders import describe, open_encoder

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def tiny(folder, seed=0):
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    torch.save(open_clip.CLIP(**TINY).state_dict(), folder / "model.pth")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    return f"open_clip:local-dir:{folder}"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    spec = tiny(tmp_path_factory.mktemp("clip") / "tiny")
    return EncoderConfig(spec=spec, device="cpu", batch_size=4, shard_size=6, num_workers=0)


@pytest.fixture
def source(tmp_path):
    for i in range(14):
        write(tmp_path / "in" / f"{i:02}.png", seed=i)
    return tmp_path / "in"


def embed(workspace, source, config, images=CONFIG):
    found = run(workspace, source)
    fingerprint = describe(config.spec).fingerprint
    return embed_images(
        workspace,
        scan=found,
        source=str(source),
        images=images,
        encoder=config,
        encoder_fingerprint=fingerprint,
    )


def shards(workspace, config):
    return VectorStore.of(workspace, describe(config.spec).fingerprint, "images").shards()


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


def test_every_image_has_a_unit_vector_and_the_mean_is_theirs(workspace, source, config):
    artifact = embed(workspace, source, config)
    vectors = open_vectors(workspace, artifact)
    matrix = read_all(vectors)
    assert artifact.rows == 14
    assert matrix.shape == vectors.shape == (14, 8)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=2e-3)
    mean = np.load(artifact.file(workspace, "mean.npy"))
    np.testing.assert_allclose(mean, matrix.mean(axis=0), atol=1e-6)
    assert len(shards(workspace, config)) == 3


def test_a_vector_is_that_of_its_own_image(workspace, source, config):
    artifact = embed(workspace, source, config)
    encoder = open_encoder(config)
    vectors = open_vectors(workspace, artifact)
    by_path = {row["key"]: row["path"] for row in scan_rows(workspace, source)}
    from PIL import Image

    for key, vector in zip(vectors.keys, read_all(vectors), strict=True):
        pixels = encoder.transform(Image.open(source / by_path[key]).convert("RGB"))
        np.testing.assert_allclose(vector, encoder.encode_images(pixels[None])[0], atol=2e-3)


def scan_rows(workspace, source):
    return pq.read_table(run(workspace, source).file(workspace, "images.parquet")).to_pylist()


def test_worker_processes_change_nothing(tmp_path, workspace, source, config, monkeypatch):
    monkeypatch.setattr("tasks.reading._FEW", 1)
    here = embed(workspace, source, config)
    other = type(workspace)(tmp_path / "other").create()
    there = embed(other, source, config.model_copy(update={"num_workers": 2}))
    assert there.identity == here.identity
    assert [p.read_bytes() for p in shards(workspace, config)] == [
        p.read_bytes() for p in shards(other, config)
    ]


def test_new_images_add_shards_and_old_shards_stay_as_they_are(workspace, source, config):
    embed(workspace, source, config)
    before = {path: path.stat().st_mtime_ns for path in shards(workspace, config)}
    write(source / "new.png", seed=100)
    shutil.copy(source / "00.png", source / "copy.png")
    (source / "01.png").rename(source / "renamed.png")
    assert count_missing(workspace, run(workspace, source), describe(config.spec).fingerprint) == 1
    artifact = embed(workspace, source, config)
    after = {path: path.stat().st_mtime_ns for path in shards(workspace, config)}
    assert artifact.rows == 15
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_killed_run_goes_on_from_its_last_shard(
    tmp_path, workspace, source, config, monkeypatch, dies_at
):
    """The shard that was not finished is embedded again; the others are not."""
    add, done = VectorStore.add, []

    def dying(self, keys, vectors):
        if len(done) == dies_at:
            raise KeyboardInterrupt
        done.append(keys)
        return add(self, keys, vectors)

    with monkeypatch.context() as changed, pytest.raises(KeyboardInterrupt):
        changed.setattr(VectorStore, "add", dying)
        embed(workspace, source, config)
    assert len(shards(workspace, config)) == dies_at
    missing = count_missing(workspace, run(workspace, source), describe(config.spec).fingerprint)
    assert missing == 14 - 6 * dies_at
    resumed = embed(workspace, source, config)
    undisturbed = embed(type(workspace)(tmp_path / "other").create(), source, config)
    assert resumed.identity == undisturbed.identity


def test_a_damaged_shard_is_embedded_again_and_the_others_are_not(workspace, source, config):
    first = embed(workspace, source, config)
    damaged, *sound = shards(workspace, config)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    before = [path.stat().st_mtime_ns for path in sound]
    again = embed(workspace, source, config)
    assert again.rows == first.rows
    assert [path.stat().st_mtime_ns for path in sound] == before


def test_images_that_do_not_decode_are_listed_and_not_decoded_twice(
    workspace, source, config, monkeypatch
):
    whole = (source / "03.png").read_bytes()
    (source / "03.png").write_bytes(whole[: len(whole) // 2])
    artifact = embed(workspace, source, config)
    [failure] = pq.read_table(artifact.file(workspace, "failures.parquet")).to_pylist()
    assert failure["error_code"] == "truncated"
    assert artifact.rows == 13
    assert failure["key"] not in open_vectors(workspace, artifact).keys
    write(source / "new.png", seed=100)
    decoded = []
    monkeypatch.setattr(
        embedding,
        "embed_rows",
        lambda store, table, *_, embed_rows=embedding.embed_rows: (
            decoded.extend(table["path"].to_pylist()) or embed_rows(store, table, *_)
        ),
    )
    again = embed(workspace, source, config)
    assert decoded == ["new.png"]
    assert (again.rows, again.facts["n_failed"]) == (14, 1)


def test_an_image_gone_since_the_scan_is_tried_again_by_the_next_run(workspace, source, config):
    found = run(workspace, source)
    hidden = (source / "05.png").read_bytes()
    (source / "05.png").unlink()
    arguments = {
        "scan": found,
        "source": str(source),
        "images": CONFIG,
        "encoder": config,
        "encoder_fingerprint": describe(config.spec).fingerprint,
    }
    artifact = embed_images(workspace, **arguments)
    assert (artifact.rows, artifact.facts["n_unread"]) == (13, 1)
    (source / "05.png").write_bytes(hidden)
    assert embed_images(workspace, **arguments).rows == 14


def test_a_collection_where_nothing_decodes_stops_the_run_with_the_first_reason(
    workspace, tmp_path, config
):
    whole = write(tmp_path / "in" / "a.png").read_bytes()
    (tmp_path / "in" / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="got 1 in .* that do not; the first: truncated"):
        embed(workspace, tmp_path / "in", config)


def test_weights_that_change_during_a_run_stop_it(workspace, source, config):
    with pytest.raises(RunError, match="must not change during a run"):
        embed_images(
            workspace,
            scan=run(workspace, source),
            source=str(source),
            images=CONFIG,
            encoder=config,
            encoder_fingerprint="of other weights",
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
    keys = list("abcdef") + ["a"]
    pq.write_table(pa.table({"key": keys, "vector": list(rows)}), folder / "images.parquet")
    texts = {"text": ["cat", "dog"], "vector": list(rows[:2])}
    pq.write_table(pa.table(texts), folder / "nouns.parquet")
    return folder, rows


def test_ready_made_vectors_are_copied_and_looked_up(workspace, ready):
    folder, rows = ready
    config = EncoderConfig(spec=f"vectors:{folder}")
    artifact = embed(workspace, folder, config)
    vectors = open_vectors(workspace, artifact)
    assert vectors.keys == list("abcdef")
    unit = rows[:6] / np.linalg.norm(rows[:6], axis=1, keepdims=True)
    np.testing.assert_allclose(read_all(vectors), unit, atol=1e-3)
    texts = embed_corpus(workspace, ["dog"], config)
    np.testing.assert_allclose(read_all(open_vectors(workspace, texts)), unit[[1]], atol=1e-3)


def test_images_without_a_ready_made_vector_are_refused(workspace, source, ready):
    folder, _ = ready
    with pytest.raises(UsageError, match="14 of 14 have none.*use the same folder"):
        embed(workspace, source, EncoderConfig(spec=f"vectors:{folder}"))


def test_a_batch_too_large_for_the_gpu_is_halved_from_then_on():
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch.numpy().astype(np.float32)

    halving = Halving(encode)
    batch = torch.arange(10.0)[:, None]
    np.testing.assert_array_equal(halving(batch), batch.numpy())
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    sizes.clear()
    halving(batch)
    assert max(sizes) == 2


def test_one_image_too_large_for_the_gpu_stops_the_run():
    def encode(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(RunError, match="use encoder.device=cpu"):
        Halving(encode)(torch.zeros(4, 1))

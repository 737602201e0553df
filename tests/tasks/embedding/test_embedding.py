"""Embedding: only what is missing is done, and a killed run goes on where it was."""

import shutil
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from embedded import embed
from image_files import CONFIG, run, write
from sortal.configs.errors import RunError
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import open_vectors
from sortal.storage.vectors import VectorStore
from sortal.tasks.embedding import encode as encoding
from sortal.tasks.embedding.encode import Halving
from sortal.tasks.embedding.images import missing_in
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.clip import OpenClipEncoder
from sortal.tasks.encoders.registry import describe, open_encoder
from sortal.tasks.executor.base import Decoders
from sortal.tasks.executor.local import LocalExecutor


def shards(workspace, config):
    return VectorStore.of(workspace, describe(config.spec).fingerprint, "images").shards()


def test_every_image_has_a_unit_vector_and_the_mean_is_theirs(workspace, source, config):
    artifact = embed(workspace, source, config)
    vectors = open_vectors(workspace, artifact)
    matrix = read_all(vectors)
    assert artifact.rows == 14
    assert matrix.shape == vectors.shape == (14, 16)
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


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_threads_changes_nothing(tmp_path, workspace, source, config, count):
    here = embed(workspace, source, config)
    other = type(workspace)(tmp_path / "other").create()
    usual = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        there = embed(other, source, config)
    finally:
        torch.set_num_threads(usual)
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
    fingerprint = describe(config.spec).fingerprint
    assert missing_in([workspace], workspace, run(workspace, source), fingerprint) == [1]
    artifact = embed(workspace, source, config)
    after = {path: path.stat().st_mtime_ns for path in shards(workspace, config)}
    assert artifact.rows == 15
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


@pytest.fixture
def as_a_gpu(monkeypatch):
    """Has the CPU work as an accelerator does: batches are copied to it and encoded whole."""
    opened = PinnedEncoder.open

    def renamed(self):
        encoder = opened(self)
        monkeypatch.setattr(encoder, "device", "cpu:0")
        return encoder

    monkeypatch.setattr(PinnedEncoder, "open", renamed)


@pytest.mark.parametrize("decoders", [Decoders(), Decoders(threads=2)])
def test_an_accelerator_makes_the_same_vectors(
    tmp_path, workspace, source, config, decoders, as_a_gpu, monkeypatch
):
    (source / "flawed.png").write_bytes((source / "03.png").read_bytes()[:60])
    monkeypatch.setattr(LocalExecutor, "decoders", lambda *_: decoders)
    there = embed(workspace, source, config)
    monkeypatch.undo()
    here = embed(type(workspace)(tmp_path / "other").create(), source, config)
    found = [(open_vectors(*each)) for each in ((workspace, there), (
        type(workspace)(tmp_path / "other"), here))]  # fmt: skip
    assert found[0].keys == found[1].keys and len(found[0].keys) == 14
    np.testing.assert_allclose(read_all(found[0]), read_all(found[1]), atol=2e-3)


def test_a_shard_is_written_while_the_next_is_encoded(
    workspace, source, config, as_a_gpu, monkeypatch
):
    add, encode_images = VectorStore.add, OpenClipEncoder.encode_images
    begun, n_encoded, further = threading.Event(), [], threading.Event()

    def slow(self, *given):
        begun.set()
        assert further.wait(20)  # until images of the next shard are encoded
        return add(self, *given)

    def counted(self, batch):
        if begun.is_set():
            further.set()
        n_encoded.append(len(batch))
        assert sum(n_encoded) <= 6 or begun.wait(20)
        return encode_images(self, batch)

    monkeypatch.setattr(VectorStore, "add", slow)
    monkeypatch.setattr(OpenClipEncoder, "encode_images", counted)
    assert embed(workspace, source, config).rows == 14


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_killed_run_goes_on_from_its_last_shard(
    tmp_path, workspace, source, config, monkeypatch, dies_at
):
    """The shard that was not finished is embedded again; the others are not."""
    add, done = VectorStore.add, []

    def dying(self, keys, vectors, *order):
        if len(done) == dies_at:
            raise KeyboardInterrupt
        done.append(keys)
        return add(self, keys, vectors, *order)

    with monkeypatch.context() as changed, pytest.raises(KeyboardInterrupt):
        changed.setattr(VectorStore, "add", dying)
        embed(workspace, source, config)
    assert len(shards(workspace, config)) == dies_at
    fingerprint = describe(config.spec).fingerprint
    [missing] = missing_in([workspace], workspace, run(workspace, source), fingerprint)
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
        encoding,
        "embed_rows",
        lambda store, images, *_, embed_rows=encoding.embed_rows: (
            decoded.extend(images.table["path"].to_pylist()) or embed_rows(store, images, *_)
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

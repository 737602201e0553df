"""Tables of the package: they are what the packaged encoder computes, and are read with care."""

import numpy as np
import pytest

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.storage.hashing import hash_text
from sortal.tasks.embedding.tables import packaged_texts, quantise
from sortal.tasks.encoders import tables
from sortal.tasks.encoders.base import PLAIN, TAC_TEMPLATES, unit
from sortal.tasks.encoders.conse import Classes
from sortal.tasks.encoders.registry import describe, open_encoder

ENCODER = "an encoder's fingerprint"
MADE_AGAIN = "python -m sortal.tasks.embedding.tables makes the tables again"


@pytest.fixture(scope="module")
def known():
    found = tables.known_texts(describe("conse").fingerprint, PLAIN)
    assert found, MADE_AGAIN
    return found


@pytest.fixture(scope="module")
def texts():
    return packaged_texts()


@pytest.fixture(scope="module")
def encoder():
    return open_encoder(EncoderConfig(spec="conse", device="cpu"))


def test_the_table_holds_the_texts_of_a_default_run_and_no_others(known, texts):
    expected = np.sort(tables.keys_of([hash_text(text) for text in texts]))
    np.testing.assert_array_equal(known.keys, expected, MADE_AGAIN)


def test_a_sample_of_the_table_is_close_to_a_fresh_embedding(known, texts, encoder):
    sample = texts[:: len(texts) // 200]
    fresh = unit(encoder.encode_texts(sample))
    rows = known.find([hash_text(text) for text in sample])
    assert (rows >= 0).all()
    found = known.vectors(rows)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cosines = (found * fresh).sum(axis=1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.99


def test_the_classes_of_the_package_are_what_the_class_names_decide(encoder):
    fresh = Classes.of(encoder.text_model)
    held = Classes.packaged(encoder.fingerprint)
    assert held, MADE_AGAIN
    np.testing.assert_allclose(held.whiten.mean, fresh.whiten.mean, atol=1e-6)
    np.testing.assert_allclose(held.whiten.map, fresh.whiten.map, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(held.mixture, fresh.mixture, rtol=1e-3, atol=1e-5)


def test_the_texts_weigh_at_most_twelve_megabytes():
    assert tables.TEXTS.stat().st_size <= 12e6


def test_the_texts_of_another_encoder_or_template_are_not_known(known):
    assert tables.known_texts(ENCODER, PLAIN) is None
    assert tables.known_texts(describe("conse").fingerprint, TAC_TEMPLATES) is None
    assert Classes.packaged(ENCODER) is None
    assert known.find([hash_text(text) for text in ("cat", "an odd text of nobody's")])[1] == -1


def test_quantised_vectors_are_found_again_by_their_keys(tmp_path):
    texts = [f"text {i}" for i in range(300)]
    vectors = unit(np.random.default_rng(0).normal(size=(300, 4)))
    codes, codebooks = quantise(vectors, 2)
    keys = tables.keys_of([hash_text(text) for text in texts])
    order = np.argsort(keys)
    known = tables.KnownTexts("a table", keys[order], codes[order], codebooks)
    rows = known.find([hash_text(text) for text in ["text 299", "none", "text 7"]])
    assert rows[1] == -1
    np.testing.assert_allclose(known.vectors(rows[[0, 2]]), vectors[[299, 7]], atol=0.05)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "text"])
def test_a_table_that_is_not_the_package_s_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "table.npz"
    tables.write_table(path, ENCODER, keys=np.arange(1000))
    whole = path.read_bytes()
    flipped = whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]
    written = {"empty": b"", "cut": whole[: len(whole) // 2], "flipped": flipped, "text": b"oh\n"}
    path.unlink()
    if damage in written:
        path.write_bytes(written[damage])
    with pytest.raises(UsageError, match="table.npz must be the file that comes with") as caught:
        tables.read_table(path, ENCODER)
    assert "\n" not in str(caught.value)
    assert "pip install --force-reinstall" in str(caught.value)

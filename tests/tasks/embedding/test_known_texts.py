"""Texts whose vectors come with the package: copied, not embedded, never mixed with others."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.encoder import EncoderConfig
from sortal.storage.artifacts import Written, publish
from sortal.storage.hashing import hash_text
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import open_vectors
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.embedding.texts import text_vectors, unknown_texts
from sortal.tasks.encoders import tables
from sortal.tasks.encoders.base import PLAIN
from sortal.tasks.encoders.registry import describe, open_encoder

CONSE = EncoderConfig(spec="conse", device="cpu")
ENCODER = describe("conse").fingerprint
OURS = "a thing that nobody else has written of"

EMBED_WITHOUT_TORCH = """
import sys
from pathlib import Path
from sortal.configs.encoder import EncoderConfig
from sortal.storage.hashing import hash_text
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.texts import fill_texts
from sortal.tasks.encoders.registry import describe

texts = {hash_text(text): text for text in ("cat", "dog")}
encoder = PinnedEncoder(EncoderConfig(spec="conse"), describe("conse").fingerprint)
store = fill_texts(Workspace(Path(sys.argv[1])).create(), texts, encoder, ("{}",), "nouns")
print(len(store.located().places), {"torch", "transformers"} & set(sys.modules))
"""


def embed(workspace, texts, templates=PLAIN):
    def body(folder):
        table = pa.table({"key": [hash_text(text) for text in texts], "text": texts})
        pq.write_table(table, folder / "corpus.parquet")
        return Written(rows=len(texts))

    return embed_texts(
        workspace,
        corpus=publish(workspace, "nouns", hash_text("|".join(texts)), body),
        encoder=CONSE,
        encoder_fingerprint=ENCODER,
        templates=templates,
    )


def vectors_of(workspace, artifact):
    rows = open_vectors(workspace, artifact)
    return dict(zip(rows.keys, read_all(rows), strict=True))


def test_known_texts_load_neither_torch_nor_a_model(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", EMBED_WITHOUT_TORCH, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[0] == "2 set()"


def test_known_texts_have_the_table_s_vectors_and_others_are_embedded(workspace):
    known = tables.known_texts(ENCODER, PLAIN)
    found = vectors_of(workspace, embed(workspace, ["cat", OURS, "dog"]))
    keys = [hash_text(text) for text in ("cat", "dog")]
    expected = known.vectors(known.find(keys))
    np.testing.assert_allclose([found[key] for key in keys], expected, atol=1e-3)
    ours = text_vectors([OURS], PLAIN, open_encoder(CONSE))[0]
    np.testing.assert_allclose(found[hash_text(OURS)], ours, atol=1e-3)


def test_what_is_still_to_embed_is_counted(workspace):
    keys = [hash_text(text) for text in ("cat", "dog", OURS)]
    assert len(unknown_texts(workspace, keys, ENCODER, PLAIN)) == 1
    assert len(unknown_texts(workspace, keys, ENCODER, ("a {}",))) == 3
    embed(workspace, ["cat", OURS])
    assert len(unknown_texts(workspace, keys, ENCODER, PLAIN)) == 0


def test_vectors_of_another_table_or_of_none_never_mix_with_the_package_s(
    workspace, tmp_path, monkeypatch
):
    ours = embed(workspace, ["cat", "dog"])
    other = tmp_path / "other.npz"
    table = tables.read_table(tables.TEXTS, ENCODER)
    swapped = {"keys": table["keys"][::2], "codes": table["codes"][1::2][: len(table["keys"][::2])]}
    for encoder in (ENCODER, "weights that are another's"):
        tables.write_table(other, encoder, **swapped, codebooks=table["codebooks"])
        monkeypatch.setattr(tables, "TEXTS", other)
        tables._known_texts.cache_clear()
        found = embed(workspace, ["cat", "dog"])
        assert found.facts["store"] != ours.facts["store"]
        assert found.identity != ours.identity
        assert found.fingerprint != ours.fingerprint
    exact = text_vectors(["cat", "dog"], PLAIN, open_encoder(CONSE))
    held = vectors_of(workspace, found)
    np.testing.assert_allclose(
        [held[hash_text("cat")], held[hash_text("dog")]], exact, atol=1e-3
    )  # the last table is another encoder's, so both were embedded


@pytest.fixture(autouse=True)
def _of_the_package():
    yield
    tables._known_texts.cache_clear()

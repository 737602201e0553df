"""Two passes over templates: texts are chosen under one, and those chosen take them all."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded import embed
from sortal.configs.lineage import LineageConfig
from sortal.configs.load import make_config
from sortal.configs.schema import SelectionConfig
from sortal.flows.run.context import Images, Run, Steps
from sortal.flows.run.images import read_images
from sortal.flows.run.spaces import semantic_spaces
from sortal.storage.artifacts import Written, publish
from sortal.storage.hashing import hash_text
from sortal.tasks.corpora.space import compared_texts, space_table, space_texts
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.embedding.texts import text_store, text_vectors
from sortal.tasks.encoders.base import CHOOSING, TAC_TEMPLATES
from sortal.tasks.encoders.registry import describe, open_encoder
from sortal.tasks.lineage.previous_run import Past, kept_space
from sortal.tasks.selection.step import select

WORDS = [f"{colour} {kind}" for colour in ("red", "blue", "old") for kind in ("cat", "car", "cup")]


@pytest.fixture
def given(workspace, source, config):
    """What `select` is given, of random images and nine texts under the one template."""

    def body(folder):
        table = pa.table({"key": [hash_text(word) for word in WORDS], "text": WORDS})
        pq.write_table(table, folder / "corpus.parquet")
        return Written(rows=len(WORDS))

    corpus = publish(workspace, "nouns", "words", body)
    about = {"encoder": config, "encoder_fingerprint": describe(config.spec).fingerprint}
    chosen = {
        "images": embed(workspace, source, config),
        "texts": embed_texts(workspace, corpus=corpus, templates=CHOOSING, **about),
        "corpus": corpus,
        "config": SelectionConfig(top_k=2),
        "n_clusters": 2,
        "random_state": 0,
    }
    return chosen, {"templates": TAC_TEMPLATES, **about}


def test_the_same_texts_are_chosen_and_have_the_vectors_of_their_ensemble(workspace, given, config):
    chosen, ensemble = given
    once = select(workspace, **chosen)
    twice = select(workspace, **chosen, **ensemble)
    assert once.identity != twice.identity
    words = space_table(workspace, twice, None)["text"].to_pylist()
    assert words == space_table(workspace, once, None)["text"].to_pylist()
    assert 2 <= len(words) < len(WORDS)
    vectors, _ = space_texts(workspace, twice, centred=False)
    expected = text_vectors(words, TAC_TEMPLATES, open_encoder(config))
    np.testing.assert_allclose(vectors, expected, atol=1e-3)
    np.testing.assert_array_equal(
        compared_texts(workspace, twice), compared_texts(workspace, once)
    )  # a head compares them with the mean of their corpus
    assert not np.allclose(compared_texts(workspace, twice), vectors, atol=1e-3)


def test_texts_that_are_not_chosen_are_never_under_the_ensemble(workspace, given):
    chosen, ensemble = given
    space = select(workspace, **chosen, **ensemble)
    store = text_store(workspace, ensemble["encoder_fingerprint"], TAC_TEMPLATES)
    assert len(store.located().places) == space.rows


def test_an_earlier_choice_is_kept_only_by_runs_that_use_templates_alike(workspace, given):
    chosen, ensemble = given
    for more, prompted in (({}, False), (ensemble, True)):
        space = select(workspace, **chosen, **more)
        past = Past(roles={"noun.space": space})
        kept = partial(kept_space, workspace, past, "noun.space", chosen["images"], LineageConfig())
        assert kept(prompted) == space
        assert kept(not prompted) is None


@pytest.mark.parametrize(("templates", "passes"), [("auto", 2), ("tac", 1), ("sic", 1)])
def test_templates_that_somebody_asked_for_are_one_pass(
    workspace, source, config, templates, passes
):
    settings = ["nouns.lexnames=[noun.Tops]", "captions.source=none", "images.num_workers=0"]
    values = {
        "source": str(source),
        "n_clusters": 2,
        "workspace": workspace.root,
        "encoder": config,
    }
    given = make_config({**values, "nouns": {"templates": templates}}, settings)
    run = Run.begin(given, Steps(workspace))
    images: Images = read_images(run, given.source)
    space = semantic_spaces(run, images, images)["noun"]
    under_all = text_store(workspace, run.encoder.fingerprint, TAC_TEMPLATES).located()
    expected = {"auto": space.texts.rows, "tac": space.vectors.rows, "sic": 0}[templates]
    assert len(under_all.places) == expected
    assert space.texts.facts["prompted"] == (passes == 2)

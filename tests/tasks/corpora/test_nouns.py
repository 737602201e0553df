"""The nouns corpus: the published lists' counts, the filters, and the sources."""

from pathlib import Path
from typing import Any

import nltk
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortal.configs.errors import UsageError
from sortal.configs.schema import NounsConfig
from sortal.storage.hashing import hash_text
from sortal.storage.vectors import vector_table
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora import wordnet
from sortal.tasks.corpora.corpus import CORPUS
from sortal.tasks.corpora.nouns import noun_corpus
from sortal.tasks.corpora.step import load_nouns

TABLE = wordnet.read_embedded()


UNFILTERED = {"lexnames": (), "instances": True, "taxa": True}


def corpus(**options: Any) -> pa.Table:
    return noun_corpus(TABLE, NounsConfig(**{**UNFILTERED, **options}))


def by_text(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["text"]: row for row in table.to_pylist()}


@pytest.fixture
def no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])


@pytest.fixture
def given_vectors(tmp_path: Path) -> str:
    """The spec of ready-made vectors for four nouns, one of them unknown to WordNet."""
    texts = ["fire_engine", "dog", "Dog", "no such noun"]
    table = vector_table(texts, pa.array([1.0] * 8).to_numpy().reshape(4, 2))
    folder = tmp_path / "ready"
    folder.mkdir()
    pq.write_table(table.rename_columns(["text", "vector"]), folder / "nouns.parquet")
    return f"vectors:{folder}"


@pytest.mark.parametrize(
    ("names", "count"),
    [("lemmas", 117_798), ("tac", 119_034), ("sic", 67_893), ("sic-literal", 67_892)],
)
def test_each_list_has_its_count_and_every_text_once(names: str, count: int) -> None:
    table = corpus(names=names)
    texts = table.column("text").to_pylist()
    assert len(texts) == len(set(texts)) == count
    assert table.column("key").to_pylist()[::999] == [hash_text(text) for text in texts[::999]]
    assert table.column("synset").null_count == 0


def test_lemmas_takes_a_noun_once_whatever_its_case_and_tac_every_spelling() -> None:
    lemmas, tac = by_text(corpus()), by_text(corpus(names="tac"))
    assert "turkey" in lemmas
    assert "Turkey" not in lemmas
    assert tac["turkey"]["lexname"] == "noun.animal"
    assert tac["Turkey"]["lexname"] == "noun.location"


def test_sic_takes_first_lemmas_and_sic_literal_keeps_the_codes_two_slips() -> None:
    sic, literal = by_text(corpus(names="sic")), by_text(corpus(names="sic-literal"))
    assert {"entity", "study hall", "dog"} <= sic.keys()
    assert "domestic dog" not in sic
    assert {"study_hall", "dog"} <= literal.keys()
    assert "entity" not in literal
    assert set(literal) == {text.replace(" ", "_") for text in sic} - {"entity"}


def test_a_noun_carries_its_first_sense_and_the_frequency_of_all_its_senses() -> None:
    dog = by_text(corpus())["dog"]
    assert (dog["synset"], dog["lexname"], dog["depth"]) == ("dog.n.01", "noun.animal", 8)
    assert dog["frequency"] >= 42
    assert by_text(corpus())["abandoned infant"]["frequency"] == 0


def test_a_filter_moves_a_noun_to_its_first_sense_that_passes() -> None:
    table = by_text(corpus(lexnames=("noun.location", "noun.substance")))
    assert "turkey" not in table
    assert table["Turkey"]["synset"] == "turkey.n.02"
    assert {row["lexname"] for row in table.values()} == {"noun.location", "noun.substance"}


def test_named_instances_can_be_left_out() -> None:
    texts = by_text(corpus(instances=False))
    assert len(texts) < len(corpus())
    assert not {"Albert Einstein", "Eiffel Tower", "Nile"} & texts.keys()
    assert {"city", "river", "dog"} <= texts.keys()


def test_scientific_names_can_be_left_out_and_common_ones_stay() -> None:
    texts = by_text(corpus(taxa=False))
    latin = {"Canis familiaris", "genus Canis", "Canis", "Canidae", "family Canidae"}
    assert latin <= by_text(corpus()).keys()
    assert not (latin | {"Clematis viorna", "Iris germanica"}) & texts.keys()
    assert {"dog", "alligator", "Arizona ash", "Norway spruce", "African elephant"} <= texts.keys()


@settings(max_examples=15, deadline=None)
@given(
    low=st.integers(0, 12),
    span=st.integers(0, 8),
    max_words=st.integers(1, 9),
    lexnames=st.lists(st.sampled_from(wordnet.LEXNAMES), max_size=4, unique=True),
    names=st.sampled_from(["lemmas", "tac", "sic"]),
)
def test_every_noun_kept_passes_the_filters(
    low: int, span: int, max_words: int, lexnames: list[str], names: str
) -> None:
    limits = {"min_depth": low, "max_depth": low + span, "max_words": max_words}
    try:
        table = corpus(lexnames=tuple(lexnames), names=names, **limits)
    except UsageError as error:
        assert "no noun passes" in str(error)
        return
    assert set(table.column("lexname").to_pylist()) <= set(lexnames or wordnet.LEXNAMES)
    assert all(low <= depth <= low + span for depth in table.column("depth").to_pylist())
    assert all(len(text.split()) <= max_words for text in table.column("text").to_pylist())


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"lexnames": ("animal",)}, "did you mean noun.animal"),
        ({"lexnames": ("noun.animals",)}, "did you mean noun.animal"),
        ({"lexnames": ("quux",)}, "use noun.Tops, "),
        ({"min_depth": 9, "max_depth": 3}, "got 9 and 3"),
        ({"lexnames": ("noun.plant",), "max_depth": 0}, "no noun passes"),
    ],
)
def test_what_cannot_be_is_one_line_with_a_way_out(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        corpus(**options)
    assert "\n" not in str(caught.value)


def test_a_wrong_lexname_stops_before_any_work(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match=r"noun\.food"):
        load_nouns(workspace, config=NounsConfig(lexnames=("noun.foot",)), encoder="conse")
    assert not workspace.artifacts.exists()


def test_without_nltks_corpus_auto_is_the_packaged_table(
    workspace: Workspace, no_corpus: None
) -> None:
    made = load_nouns(workspace, config=NounsConfig(lexnames=("noun.shape",)), encoder="conse")
    assert made.facts["source"] == "embedded"
    table = pq.read_table(made.file(workspace, CORPUS))
    assert made.rows == len(table) == made.facts["n_texts"]
    assert table.column_names == ["key", "text", "synset", "lexname", "depth", "frequency"]


def test_nltk_and_the_packaged_table_give_the_same_corpus(
    workspace: Workspace, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (shared / "wordnet").is_dir():
        pytest.skip("no WordNet corpus in the shared test data")
    monkeypatch.setattr(nltk.data, "path", [str(shared / "wordnet")])
    made = {
        source: load_nouns(workspace, config=NounsConfig(source=source), encoder="conse")
        for source in ("auto", "embedded")
    }
    assert made["auto"].facts["source"] == "nltk"
    assert made["auto"].identity == made["embedded"].identity
    tables = [pq.read_table(artifact.file(workspace, CORPUS)) for artifact in made.values()]
    assert tables[0].equals(tables[1])


def test_ready_made_vectors_bring_their_own_nouns(workspace: Workspace, given_vectors: str) -> None:
    made = load_nouns(workspace, config=NounsConfig(), encoder=given_vectors)
    rows = by_text(pq.read_table(made.file(workspace, CORPUS)))
    assert (made.facts["source"], made.facts["n_without_synset"]) == ("vectors", 1)
    assert list(rows) == ["fire_engine", "dog", "Dog", "no such noun"]
    assert rows["fire_engine"]["synset"] == "fire_engine.n.01"
    assert rows["no such noun"]["synset"] is None
    assert rows["no such noun"]["frequency"] == 0


def test_the_source_vectors_needs_an_encoder_of_vectors(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="needs the encoder vectors:DIR, got conse"):
        load_nouns(workspace, config=NounsConfig(source="vectors"), encoder="conse")


def test_other_given_nouns_are_another_corpus(workspace: Workspace, given_vectors: str) -> None:
    before = load_nouns(workspace, config=NounsConfig(), encoder=given_vectors)
    path = Path(given_vectors.removeprefix("vectors:")) / "nouns.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    after = load_nouns(workspace, config=NounsConfig(), encoder=given_vectors)
    assert after.fingerprint != before.fingerprint
    assert after.identity != before.identity

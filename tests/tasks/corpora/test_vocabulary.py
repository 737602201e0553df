"""Vocabularies: the forms that a file has, what is refused in one line, and what terms become."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.configs.schema import NounsConfig
from sortal.storage.hashing import hash_text
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora import wordnet
from sortal.tasks.corpora.bank import table_of
from sortal.tasks.corpora.corpus import EMBEDDED, read_corpus, read_prompts
from sortal.tasks.corpora.lists import check_vocabulary
from sortal.tasks.corpora.step import load_nouns
from sortal.tasks.corpora.vocabulary.files import terms_of
from sortal.tasks.corpora.vocabulary.terms import MOST_LEVELS, Term, vocabulary_of
from sortal.tasks.evaluation.names import matches
from sortal.tasks.naming.synonyms import concepts_of, known_of

ROWS = [
    {"term": "raptor"},
    {"term": "Osprey", "description": "eats fish", "synonyms": ["sea hawk"], "parent": "raptor"},
    {"term": "merlin", "synonyms": ["pigeon hawk", "Osprey"], "parent": "Raptor"},
]
TERMS = [
    Term("raptor", 0),
    Term("Osprey", 0, "eats fish", ("sea hawk",), ("raptor",)),
    Term("merlin", 0, "", ("pigeon hawk", "Osprey"), ("Raptor",)),
]
CSV = (
    "term,description,synonyms,parent\nraptor,,,\n"
    'Osprey,eats fish,sea hawk,raptor\nmerlin,,"pigeon hawk; Osprey",Raptor\n'
)
TURTLE = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<urn:a> a skos:Concept ; skos:prefLabel "raptor"@en, "rapace"@fr ; skos:narrower <urn:c> .
<urn:b> skos:prefLabel "Osprey"@en ; skos:altLabel "sea hawk"@en ; skos:broader <urn:a> ;
    skos:definition "eats fish"@en, "mange du poisson"@fr .
<urn:c> skos:prefLabel "merlin"@en ; skos:altLabel "pigeon hawk"@en, "Osprey"@en .
"""


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def said(path: Path) -> list[Term]:
    """The terms of a file without their lines."""
    return [
        term._replace(place=0, synonyms=tuple(sorted(term.synonyms, key=str.swapcase)))
        for term in terms_of(path)
    ]


def bird_forms(folder: Path) -> list[Path]:
    names = {"term": pa.string(), "description": pa.string(), "parent": pa.string()}
    schema = pa.schema({**names, "synonyms": pa.list_(pa.string())})
    pq.write_table(pa.Table.from_pylist(ROWS, schema=schema), folder / "birds.parquet")
    return [
        put(folder, "birds.csv", CSV),
        put(folder, "bom.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()),
        put(folder, "wide.csv", CSV.encode("utf-16")),
        put(folder, "european.csv", CSV.replace(",", ";").replace("pigeon hawk;", "pigeon hawk|")),
        put(folder, "birds.tsv", CSV.replace(",", "\t")),
        put(folder, "birds.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        folder / "birds.parquet",
    ]


def test_every_form_of_file_says_the_same(tmp_path):
    for path in bird_forms(tmp_path):
        assert said(path) == TERMS, path.name
    lines = put(tmp_path, "birds.txt", "\ufeffraptor\r\n\r\n  Osprey \r\nmerlin")
    assert [(term.word, term.place) for term in terms_of(lines)] == [
        ("raptor", 1), ("Osprey", 3), ("merlin", 4),
    ]  # fmt: skip


def test_skos_is_an_extra_that_is_read_in_english(tmp_path, monkeypatch):
    path = put(tmp_path, "birds.ttl", TURTLE)
    monkeypatch.setitem(sys.modules, "rdflib", None)
    with pytest.raises(UsageError, match=r"needs the extra sortal\[skos\]"):
        next(terms_of(path))
    monkeypatch.undo()
    graph = pytest.importorskip("rdflib").Graph().parse(path)
    graph.serialize(tmp_path / "birds.rdf", format="xml")
    for name in ("birds.ttl", "birds.rdf"):
        assert [term._replace(parents=()) for term in said(tmp_path / name)] == [
            term._replace(parents=()) for term in TERMS
        ]
        assert [term.parents for term in said(tmp_path / name)] == [(), ("raptor",), ("raptor",)]
    with pytest.raises(UsageError, match=r"must be SKOS in RDF/XML, got .*; export it again"):
        next(terms_of(put(tmp_path, "bad.rdf", "<rdf")))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.txt", "", r"a\.txt must hold at least 2 terms, got 0"),
        ("a.txt", "dog\nDOG\n", r"at least 2 terms, got 1"),
        ("a.txt", b"dog\ncaf\xe9\n", r"a\.txt, 2: a vocabulary must hold here text in UTF-8"),
        ("a.txt", b"dog\nc\0t\n", r"a\.txt, 2: .* no zero bytes"),
        ("a.txt", f"dog\n{'x' * 201}\n", r"a\.txt, 2: a term must have at most 200 letters"),
        ("a.txt", "x" * (1 << 20), r"a\.txt, 1: .* no line of a mebibyte"),
        ("a.csv", "name,parent\ndog,\n", r"a\.csv, 1: a vocabulary must have a column term"),
        ("a.csv", "", r"column term .*, got none"),
        ("a.csv", "term\ndog\n\"cat\n", r"a\.csv, 3: .* a row of a table: unexpected end"),
        ("a.csv", "term,parent\ndog,\n,dog\n", r"a\.csv, 3: term must not be empty"),
        ("a.csv", "term,parent\ndog,\ncat,beast\n", r"a\.csv, 3: the parent of 'cat' must be"),
        ("a.csv", "term,parent\na,b\nb,c\nc,b\n", r"no circle, got (b -> c -> b|c -> b -> c)"),
        ("a.csv", "term,parent\na,a\nb,\n", r"no circle, got a -> a"),
        ("a.jsonl", '{"term": "dog"}\n{"term": \n', r"a\.jsonl, 2: .* a JSON object in one line"),
        ("a.jsonl", '{"term": "dog"}\n["cat"]\n', r"a\.jsonl, 2: .* a JSON object, got list"),
        ("a.jsonl", '{"word": "dog"}\n', r"a\.jsonl, 1: .* a column term .* got 'word'"),
        ("a.jsonl", '{"term": {"en": "dog"}}\n', r"a\.jsonl, 1: term must be a text, got dict"),
        ("a.parquet", "PAR1 no", r"must be a Parquet file that can be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path, name, content, line):
    path = put(tmp_path, name, content)
    with pytest.raises(UsageError, match=line) as error:
        check_vocabulary(NounsConfig(vocabulary=str(path)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("place", "line"),
    [("", "that is a folder"), ("none.txt", "no file is there"), ("https://u:p@h/x", "an address")],
)
def test_what_is_no_file_is_refused_and_no_password_shown(tmp_path, place, line):
    given = place if "://" in place else str(tmp_path / place)
    with pytest.raises(UsageError, match=line) as error:
        check_vocabulary(NounsConfig(vocabulary=given))
    assert "u:p" not in str(error.value)


def test_a_deep_chain_of_parents_is_refused_and_a_wide_one_is_not():
    chain = [Term(f"t{i}", i, parents=(f"t{i - 1}",) if i else ()) for i in range(3000)]
    with pytest.raises(UsageError, match=f"at most {MOST_LEVELS} parents may lie above"):
        vocabulary_of("x", chain)
    wide = [Term("top", 1), *(Term(f"t{i}", i, parents=("top",)) for i in range(3000))]
    assert max(vocabulary_of("x", wide).levels.values()) == 1


def birds(folder: Path, **options: str) -> tuple[Workspace, object]:
    path = str(put(folder, "birds.csv", CSV))
    workspace = Workspace(folder / "workspace").create()
    config = NounsConfig(vocabulary=path, source="embedded", **options)
    return workspace, load_nouns(workspace, config=config, encoder="conse")


def test_terms_are_embedded_with_their_description_and_known_by_their_synonyms(tmp_path):
    workspace, corpus = birds(tmp_path)
    table = read_corpus(workspace, corpus)
    assert table["text"].to_pylist() == ["raptor", "Osprey", "sea hawk", "merlin", "pigeon hawk"]
    prompts = list(read_prompts(workspace, corpus).items())
    assert prompts[2] == (hash_text("sea hawk, eats fish"), "sea hawk, eats fish")
    concepts = concepts_of(table, known_of(table_of(workspace, corpus, alone=True)))
    assert concepts.names == ["raptor", "Osprey", "merlin"]
    assert concepts.of.tolist() == [0, 1, 1, 2, 2]
    assert concepts.kinds_of(0) == {0, 1, 2} and len(set(concepts.weights)) == 1


def test_labels_match_terms_their_synonyms_and_their_parents(tmp_path):
    workspace, corpus = birds(tmp_path)
    table = table_of(workspace, corpus)
    names, classes = {0: "Osprey", 1: "merlin", 2: "Osprey"}, {0: "sea hawk", 1: "raptor", 2: "dog"}
    found = matches(names, classes, {}, table)
    assert found["name_synonym"] == pytest.approx(1 / 3)
    assert found["name_hypernym"] == pytest.approx(2 / 3)


def test_terms_join_wordnets_nouns_or_replace_them(tmp_path):
    workspace, corpus = birds(tmp_path, vocabulary_mode="add")
    table = read_corpus(workspace, corpus)
    assert table["text"].to_pylist()[:2] == ["raptor", "Osprey"] and len(table) > 50_000
    assert table["text"].to_pylist().count("merlin") == 1  # WordNet's is the term
    assert table[EMBEDDED].null_count == 0
    put(tmp_path, "kites.csv", "term,parent\nred kite,kite\nblack kite,kite\n")
    config = NounsConfig(vocabulary=str(tmp_path / "kites.csv"), source="embedded")
    with pytest.raises(UsageError, match="the parent of 'red kite' must be a term of the file"):
        load_nouns(workspace, config=config, encoder="conse")
    config = config.model_copy(update={"vocabulary_mode": "add"})
    kites = load_nouns(workspace, config=config, encoder="conse")
    above = wordnet.ancestors(table_of(workspace, kites), {"vocabulary:red kite"})
    assert "kite.n.04" in above["vocabulary:red kite"] or len(above["vocabulary:red kite"]) > 3


def test_the_content_of_a_file_counts_and_not_its_place(tmp_path):
    workspace, corpus = birds(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    moved = put(tmp_path / "elsewhere", "b.csv", CSV)
    config = NounsConfig(vocabulary=str(moved), source="embedded")
    assert load_nouns(workspace, config=config, encoder="conse") == corpus
    put(tmp_path / "elsewhere", "b.csv", CSV.replace("eats fish", "eats only fish"))
    assert load_nouns(workspace, config=config, encoder="conse").identity != corpus.identity

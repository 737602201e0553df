"""WordNet's table: what the packaged copy holds, and that NLTK's corpus gives the same."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nltk
import pyarrow as pa
import pytest

from sortal.configs.errors import UsageError
from sortal.tasks.corpora import wordnet

TINY = {
    "data.noun": (
        "  1 a licence line\n"
        "00000010 03 n 01 entity 0 000 | all there is  \n"
        "00000020 05 n 02 cat 0 true_cat 0 001 @ 00000010 n 0000 | feline  \n"
        "00000030 18 n 01 Cat 0 001 @i 00000040 n 0000 | a person called Cat | odd  \n"
        "00000040 18 n 01 person 0 001 @ 00000010 n 0000 | someone  \n"
    ),
    "index.noun": (
        "  1 a licence line\n"
        "cat n 2 1 @ 2 1 00000020 00000030\n"
        "entity n 1 1 ~ 1 0 00000010\n"
        "person n 1 1 @ 1 1 00000040\n"
        "true_cat n 1 1 @ 1 0 00000020\n"
    ),
    "cntlist.rev": "cat%1:05:00:: 1 18\ncat%2:05:00:: 1 99\nperson%1:18:00:: 1 7\n",
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WordNet of four synsets where NLTK looks for its own."""
    folder = tmp_path / "nltk_data" / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name, text in TINY.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    return folder


@pytest.fixture
def no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NLTK finds nothing here, and nothing can be downloaded: the proxy is a closed port."""
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def real(shared: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """NLTK's pointer to the real WordNet corpus."""
    if not (shared / "wordnet").is_dir():
        pytest.skip("no WordNet corpus in the shared test data")
    monkeypatch.setattr(nltk.data, "path", [str(shared / "wordnet")])
    return wordnet.find_nltk()


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return wordnet.read_embedded()


def test_the_packaged_table_holds_every_noun_synset_of_wordnet_3_0(table: pa.Table) -> None:
    assert table.schema.equals(wordnet.SCHEMA)
    assert len(table) == 82_115
    assert sum(map(len, table.column("lemmas").to_pylist())) == 146_347
    assert set(table.column("lexname").to_pylist()) == set(wordnet.LEXNAMES)
    assert len(wordnet.LEXNAMES) == 26
    assert wordnet.EMBEDDED.stat().st_size < 4_000_000


def test_the_packaged_table_knows_the_dog(table: pa.Table) -> None:
    (dog,) = [row for row in table.to_pylist() if row["synset"] == "dog.n.01"]
    by_offset = dict(
        zip(table.column("offset").to_pylist(), table.column("synset").to_pylist(), strict=True)
    )
    assert dog["lemmas"] == ["dog", "domestic_dog", "Canis_familiaris"]
    assert (dog["lexname"], dog["depth"], dog["counts"]) == ("noun.animal", 8, [42, 0, 0])
    assert [by_offset[i] for i in dog["hypernyms"]] == ["canine.n.02", "domestic_animal.n.01"]


def test_every_hypernym_is_in_the_table_and_one_synset_is_the_root(table: pa.Table) -> None:
    offsets = set(table.column("offset").to_pylist())
    parents = [
        row["hypernyms"] + row["instance_of"]
        for row in table.select(["hypernyms", "instance_of"]).to_pylist()
    ]
    assert offsets >= {parent for row in parents for parent in row}
    roots = [i for i, row in enumerate(parents) if not row]
    assert table.column("synset").take(roots).to_pylist() == ["entity.n.01"]
    assert table.column("depth").take(roots).to_pylist() == [0]


def test_the_licence_lies_beside_the_table() -> None:
    text = (wordnet.EMBEDDED.parent / "WORDNET_LICENSE").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text


def test_a_database_is_read_with_senses_counts_instances_and_depths(tiny: Path) -> None:
    rows = wordnet.read_nltk(wordnet.find_nltk()).to_pylist()
    assert [row["synset"] for row in rows] == ["entity.n.01", "cat.n.01", "cat.n.02", "person.n.01"]
    assert [row["depth"] for row in rows] == [0, 1, 2, 1]
    assert [row["counts"] for row in rows] == [[0], [18, 0], [0], [7]]
    assert rows[1]["lemmas"] == ["cat", "true_cat"]
    assert rows[2]["instance_of"] == [40]
    assert rows[2]["hypernyms"] == []


def test_a_zipped_corpus_is_read_like_a_folder(tiny: Path) -> None:
    as_folder = wordnet.read_nltk(wordnet.find_nltk())
    content = wordnet.content_of(wordnet.find_nltk())
    with zipfile.ZipFile(tiny.parent / "wordnet.zip", "w") as archive:
        archive.writestr("wordnet/", "")
        for name in TINY:
            archive.write(tiny / name, f"wordnet/{name}")
    shutil.rmtree(tiny)
    assert wordnet.read_nltk(wordnet.find_nltk()).equals(as_folder)
    assert wordnet.content_of(wordnet.find_nltk()) == content


def test_the_folders_that_are_looked_at_first_are_all_of_nltks() -> None:
    """In a fresh process: other tests change where NLTK looks."""
    code = "import nltk; print(*nltk.data.path, sep='\\n')"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert {Path(line) for line in told.stdout.splitlines()} == set(wordnet._nltk_folders())


def test_a_corpus_without_one_of_its_files_does_not_count(tiny: Path) -> None:
    (tiny / "cntlist.rev").unlink()
    assert wordnet.find_nltk() is None


def test_a_corpus_that_cannot_be_had_is_one_clear_line(no_corpus: None) -> None:
    with pytest.raises(UsageError, match="use 'embedded'") as caught:
        wordnet.require_nltk()
    assert "\n" not in str(caught.value)


def test_content_follows_the_files(tiny: Path) -> None:
    before = wordnet.content_of(wordnet.find_nltk())
    (tiny / "cntlist.rev").write_text("person%1:18:00:: 1 8\n")
    assert wordnet.content_of(wordnet.find_nltk()) != before


def test_descendants_follow_both_kinds_of_hypernym(tiny: Path) -> None:
    table = wordnet.read_nltk(wordnet.find_nltk())
    assert wordnet.descendants(table, "person.n.01") == {30, 40}
    assert wordnet.descendants(table, "entity.n.01") == {10, 20, 30, 40}
    assert wordnet.descendants(table, "nothing.n.01") == set()


def test_the_packaged_table_is_what_the_build_writes_from_nltk(
    real: object, table: pa.Table, tmp_path: Path
) -> None:
    wordnet.write_embedded(tmp_path / "again.parquet")
    assert wordnet.pq.read_table(tmp_path / "again.parquet").equals(table)


def test_the_table_agrees_with_nltks_own_reader(real: object, table: pa.Table) -> None:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    reader = WordNetCorpusReader(real, None)
    for row in table.slice(7).to_pylist()[::700]:
        synset = reader.synset_from_pos_and_offset("n", row["offset"])
        assert synset.name() == row["synset"]
        assert synset.lexname() == row["lexname"]
        assert synset.min_depth() == row["depth"]
        assert synset.lemma_names() == row["lemmas"]
        assert [lemma.count() for lemma in synset.lemmas()] == row["counts"]
        assert {s.offset() for s in synset.hypernyms()} == set(row["hypernyms"])
        assert {s.offset() for s in synset.instance_hypernyms()} == set(row["instance_of"])
        senses = [reader.synsets(word, "n").index(synset) + 1 for word in row["lemmas"]]
        assert senses == row["senses"]


def test_ancestors_are_all_synsets_above_and_never_the_synset_itself() -> None:
    table = wordnet.read_embedded()
    above = wordnet.ancestors(table, {"poodle.n.01", "paris.n.01", "entity.n.01", "no.such.00"})
    assert {"dog.n.01", "animal.n.01", "entity.n.01"} <= above["poodle.n.01"]
    assert "national_capital.n.01" in above["paris.n.01"]  # an instance of it
    assert above["entity.n.01"] == above["no.such.00"] == frozenset()
    below = wordnet.descendants(table, "dog.n.01")
    offset = dict(zip(table["synset"].to_pylist(), table["offset"].to_pylist(), strict=True))
    assert offset["poodle.n.01"] in below and "poodle.n.01" not in above["poodle.n.01"]

"""The captions corpus: every file format, tidying, and what bad input says."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortal.configs.errors import UsageError
from sortal.configs.schema import CaptionsConfig
from sortal.storage.hashing import hash_text
from sortal.storage.vectors import vector_table
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora.caption_files import read_captions
from sortal.tasks.corpora.captions import STARTER, caption_corpus, normalise
from sortal.tasks.corpora.corpus import CORPUS
from sortal.tasks.corpora.step import load_captions

DOG, CAT = "A dog runs on grass", "A cat sleeps in the sun"


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, file_format: str = "auto") -> list[str | None]:
    return [text and text.strip() for text in read_captions(path, file_format)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Flickr8k.token.txt", f"1.jpg#0\t{DOG}\n2_ab.jpg.1#0\t{CAT}\n"),
        ("flickr8k.csv", f"image,caption\n1.jpg,{DOG}\n2.jpg,{CAT}\n"),
        ("captions.txt", f"image,caption\n1.jpg,{DOG}\n2.jpg,{CAT}\n"),
        ("results.csv", f"image_name| comment_number| comment\n1.jpg| 0| {DOG}\n1.jpg| 1| {CAT}\n"),
        ("own.txt", f"\ufeff{DOG}\r\n\r\n{CAT}\r\n"),
        ("own.tsv", f"id\tText\n1\t{DOG}\n2\t{CAT}\n"),
        ("own.csv", f'id;comment\n1;"{DOG}"\n2;{CAT}\n'),
        ("own.jsonl", json.dumps({"captions": [DOG, CAT]}) + "\n"),
        ("own.ndjson", "\n".join(json.dumps({"n": 1, "text": text}) for text in (DOG, CAT))),
        (
            "captions_val2017.json",
            json.dumps(
                {
                    "info": {},
                    "images": [{"id": 1}],
                    "annotations": [{"image_id": 1, "id": 2, "caption": t} for t in (DOG, CAT)],
                }
            ),
        ),
    ],
)
def test_each_format_is_known_by_its_name_and_content(tmp_path: Path, name: str, text: str) -> None:
    assert read(written(tmp_path, name, text)) == [DOG, CAT]


@pytest.mark.parametrize("column", [[DOG, CAT], [[DOG, CAT]]])
def test_parquet_holds_captions_or_lists_of_them(tmp_path: Path, column: list) -> None:
    pq.write_table(pa.table({"id": [1] * len(column), "caption": column}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [DOG, CAT]


def test_a_caption_in_quotes_may_hold_the_delimiter_and_a_line_break(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'image,caption\n1.jpg,"A dog, a cat\nand a mouse"\n')
    (text,) = read(path)
    assert normalise(text or "") == "A dog, a cat and a mouse"


@pytest.mark.parametrize(
    ("name", "text", "bad"),
    [
        ("a.token", f"1.jpg#0\t{DOG}\nno key here\n", 1),
        ("results.csv", f"image_name| comment_number| comment\n1.jpg| 0| {DOG}\n2.jpg| 4   x\n", 1),
        ("a.jsonl", f'{{"text": "{DOG}"}}\n{{broken\n[1]\n{{"text": 3}}\n{{"other": "x"}}\n', 4),
        ("a.csv", f"image,caption\n1.jpg,{DOG}\n2.jpg\n", 1),
        ("a.txt", f"{DOG}\n".encode() + b"A caf\xe9 at night\n...\n", 2),
        (
            "a.json",
            json.dumps({"annotations": [{"caption": DOG}, {"id": 2}, {"caption": None}]}),
            2,
        ),
    ],
)
def test_malformed_lines_are_counted_and_the_rest_is_kept(
    tmp_path: Path, name: str, text: str | bytes, bad: int
) -> None:
    table, facts = caption_corpus(
        read_captions(written(tmp_path, name, text), "auto"), CaptionsConfig()
    )
    assert table.column("text").to_pylist() == [DOG]
    assert facts["n_malformed"] == bad
    assert facts["n_read"] == bad + 1


def test_a_cell_too_large_for_the_csv_module_is_one_malformed_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"id,caption\n1,{'x' * 200_000}\n2,{DOG}\n")
    assert [text for text in read(path) if text] == [DOG]


@pytest.mark.parametrize(
    ("raw", "tidy"),
    [
        ("A dog runs .", "A dog runs."),
        ("A man 's hat , red !", "A man's hat, red!"),
        ('A sign that says " stop "', 'A sign that says "stop"'),
        ("  A\tdog \u00a0 runs\n", "A dog runs"),
        ("A cafe\u0301 at night", "A caf\u00e9 at night"),
        ("A .5 litre bottle", "A .5 litre bottle"),
    ],
)
def test_captions_are_tidied(raw: str, tidy: str) -> None:
    assert normalise(raw) == tidy


@given(st.text(max_size=80))
def test_tidying_twice_changes_nothing_and_loses_no_letter(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()


def test_captions_alike_but_for_case_and_full_stop_are_one_and_counted() -> None:
    given_captions = [f"{DOG} .", CAT, DOG.upper(), DOG]
    table, facts = caption_corpus(given_captions, CaptionsConfig())
    assert table.to_pylist() == [
        {"key": hash_text(f"{DOG}."), "text": f"{DOG}.", "count": 3},
        {"key": hash_text(CAT), "text": CAT, "count": 1},
    ]
    assert facts["n_repeated"] == 2


def test_captions_outside_the_word_limits_are_left_out_and_counted() -> None:
    config = CaptionsConfig(min_words=3, max_words=5)
    table, facts = caption_corpus(["Two words", DOG, CAT], config)
    assert table.column("text").to_pylist() == [DOG]
    assert (facts["n_short"], facts["n_long"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "text", "file_format", "hint"),
    [
        ("a.csv", "id,title\n1,x\n", "auto", "it has id, title"),
        ("a.csv", "", "auto", "it has none"),
        ("a.jsonl", '{"id": 1, "title": "x"}\n', "auto", "it has id, title"),
        ("a.json", '{"images": [], "info": {}}', "auto", "got the keys images, info"),
        ("a.json", '["a", "b"]', "auto", "got a list"),
        ("a.json", '{"annotations": [', "auto", "must be COCO's JSON"),
        ("a.parquet", "not parquet", "auto", "must be a Parquet file"),
        ("a.txt", "", "auto", "got none in"),
        ("a.txt", f"{DOG}\n", "flickr", "1 malformed"),
    ],
)
def test_files_without_captions_are_one_line_with_a_way_out(
    tmp_path: Path, workspace: Workspace, name: str, text: str, file_format: str, hint: str
) -> None:
    source = str(written(tmp_path, name, text))
    config = CaptionsConfig(source=source, format=file_format)
    with pytest.raises(UsageError, match=hint) as caught:
        load_captions(workspace, config=config, encoder="conse")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["missing.txt", "."])
def test_a_source_that_is_no_file_names_the_choices(workspace: Workspace, source: str) -> None:
    with pytest.raises(UsageError, match="must be 'starter', 'vectors' or a file"):
        load_captions(workspace, config=CaptionsConfig(source=source), encoder="conse")


def test_the_starter_captions_are_tidy_distinct_and_enough(workspace: Workspace) -> None:
    lines = STARTER.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 3_500
    assert [normalise(line) for line in lines] == lines
    made = load_captions(workspace, config=CaptionsConfig(), encoder="conse")
    assert made.rows == len(lines)
    assert made.facts["n_malformed"] == made.facts["n_short"] == made.facts["n_repeated"] == 0


def test_a_files_content_belongs_to_the_fingerprint(tmp_path: Path, workspace: Workspace) -> None:
    path = written(tmp_path, "own.txt", f"{DOG}\n")
    config = CaptionsConfig(source=str(path))
    before = load_captions(workspace, config=config, encoder="conse")
    assert load_captions.find(workspace, config=config, encoder="conse") == before
    path.write_text(f"{DOG}\n{CAT}\n")
    after = load_captions(workspace, config=config, encoder="conse")
    assert after.fingerprint != before.fingerprint
    assert pq.read_table(after.file(workspace, CORPUS)).column_names == ["key", "text", "count"]


def test_the_same_captions_from_another_file_are_the_same_corpus(
    tmp_path: Path, workspace: Workspace
) -> None:
    plain = written(tmp_path, "own.txt", f"{DOG}\n{CAT}\n")
    token = written(tmp_path, "own.token", f"1.jpg#0\t{DOG}\n1.jpg#1\t{CAT}\n")
    made = [
        load_captions(workspace, config=CaptionsConfig(source=str(path)), encoder="conse")
        for path in (plain, token)
    ]
    assert made[0].identity == made[1].identity


def test_ready_made_vectors_bring_their_own_captions_untouched(
    tmp_path: Path, workspace: Workspace
) -> None:
    texts = ["A dog runs .", "Cat"]
    vectors = vector_table(texts, pa.array([1.0] * 4).to_numpy().reshape(2, 2))
    pq.write_table(vectors.rename_columns(["text", "vector"]), tmp_path / "captions.parquet")
    made = load_captions(workspace, config=CaptionsConfig(), encoder=f"vectors:{tmp_path}")
    assert made.facts["source"] == "vectors"
    assert pq.read_table(made.file(workspace, CORPUS)).column("text").to_pylist() == texts


def test_the_source_vectors_needs_an_encoder_of_vectors(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="needs the encoder vectors:DIR, got conse"):
        load_captions(workspace, config=CaptionsConfig(source="vectors"), encoder="conse")


def test_the_real_flickr8k_file_is_read_whole(shared: Path) -> None:
    path = shared / "captions" / "Flickr8k.token.txt"
    if not path.is_file():
        pytest.skip("no Flickr8k captions in the shared test data")
    table, facts = caption_corpus(read_captions(path, "auto"), CaptionsConfig())
    assert facts["n_read"] == 40_460
    assert facts["n_malformed"] == 0
    assert len(table) + facts["n_repeated"] + facts["n_short"] + facts["n_long"] == 40_460
    assert "people waiting for the subway" in table.column("text").to_pylist()
    assert not any(" ." in text[-2:] for text in table.column("text").to_pylist())

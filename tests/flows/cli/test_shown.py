import io
import logging

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakes import clusters, failures, run_row, tables
from sortal.flows.cli import app
from sortal.flows.pages.text import markdown
from sortal.flows.run.result import RunResult
from sortal.flows.terminal.formats import write_table
from sortal.flows.terminal.run import show_result
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.report.page import environment
from sortal.tasks.shown import shown

NASTY = "a\x1b[2Jb\nc\u202egpj.d<script>[red]|\x00\x9b\u2066"
RAW = ("\x1b", "\n", "\u202e", "\x00", "\x9b", "\u2066")


def test_plain_names_stay_as_they_are():
    for name in ("IMG 1.jpg", "Ünïcode/写真\u3000一.png", "👩\u200d🚀.heic", "100 %.webp"):
        assert shown(name) == name


@given(st.text(st.characters(codec=None)))
def test_nothing_that_a_terminal_obeys_is_shown(text):
    out = shown(text)
    assert all(ord(letter) >= 32 and not 127 <= ord(letter) < 160 for letter in out)
    assert not set(out) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
    out.encode("utf-8")


def test_log_lines_show_names_escaped():
    logger = logging.getLogger("sortal")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        logger.warning("%d files: %s", 3, NASTY)
        logger.warning(f"said {NASTY}")
    finally:
        logger.removeHandler(handler)
    lines = stream.getvalue()
    assert lines.count("\n") == 2
    assert not any(raw in lines.replace("\n", "") for raw in RAW)
    assert lines.startswith("3 files: a\\x1b[2Jb\\nc\\u202egpj")


def test_an_error_is_one_line_whatever_it_quotes(capsys):
    with pytest.raises(SystemExit):
        app._stop(f"got {NASTY}", 2)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and not any(raw in err[:-1] for raw in RAW)


def test_pages_show_names_escaped():
    page = environment().from_string("<b>{{ name }}</b>{{ config | yaml }}")
    html = page.render(name=NASTY, config={"source": NASTY, "n": 1})
    assert not any(raw in html.replace("\n", "") for raw in RAW)
    assert "<script>" not in html and "&lt;script&gt;" in html
    text = markdown(NASTY)
    assert not any(raw in text for raw in RAW)
    assert "\\[red\\]\\|" in text and "\\<script\\>" in text


def test_tables_for_people_show_names_escaped():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream in (io.StringIO(), Terminal()):
        with duckdb.connect() as connection:
            write_table(connection.execute("SELECT ? AS name", [NASTY]), stream)
        text = stream.getvalue().replace("\n", "")
        assert not any(raw in text for raw in ("\x1b[2J", *RAW[2:]))
        assert "[red]" in text


def test_the_end_of_a_run_shows_names_escaped_and_what_to_install(tmp_path, capsys):
    name = NASTY.replace("\x00", "")
    row = run_row(collection=name)
    given = tables(row)
    given["clusters"] = clusters(row, [name, "[bold]dog"])
    hint = 'HEIC and HEIF is read by pillow-heif: pip install "sortal[formats]"'
    given["failures"] = failures(row, {"a.heic": "unsupported_format"}).set_column(
        4, "error", pa.array([hint])
    )
    with Lake(Workspace(tmp_path)) as lake:
        lake.publish(row, given)
    result = RunResult(
        run_id=row["run_id"], collection=name, workspace=str(tmp_path), report=NASTY, n_images=4,
        n_failed=1,
    )  # fmt: skip
    show_result(result)
    out = capsys.readouterr().out
    assert not any(raw in out.replace("\n", "") for raw in RAW)
    assert f"1 of them: {hint}" in out and "[bold]dog" in out and "[red]" in out


def test_the_end_of_a_run_says_how_many_images_are_different(tmp_path, capsys):
    row = run_row()
    with Lake(Workspace(tmp_path)) as lake:
        lake.publish(row, tables(row))
    given = {"run_id": row["run_id"], "collection": "c", "workspace": str(tmp_path), "report": "r"}
    for n_images, words in ((4, "c: 4 images"), (1000, "c: 1,000 images (4 different)")):
        show_result(RunResult(**given, n_images=n_images, n_failed=1))
        assert capsys.readouterr().out.splitlines()[0].strip() == words

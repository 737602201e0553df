"""Ask: what a visitor's SQL may do, how its answer is shown, and what of it can be taken away."""

import csv
import io
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sortal.flows.browse.pages.ask import examples

SQL_PAGE = Path(__file__).parents[3] / "docs" / "sql.md"
ALERT = re.compile(r'role="alert">(.*?)</p>')


def asked(client, sql: str):
    return client.get("/ask", params={"sql": sql})


def test_the_examples_are_the_questions_of_the_documentation():
    found = re.findall(r"\*\*\d+\. ([^*]+)\*\*\n\n```sql\n([^`]*)```", SQL_PAGE.read_text("utf-8"))
    printed = [(question.partition(" (")[0], sql.strip().rstrip(";")) for question, sql in found]
    assert len(printed) == 20
    assert [tuple(example) for example in examples()] == printed


def test_every_example_has_an_answer(client):
    for example in examples():
        answer = asked(client, example.sql)
        assert answer.status_code == 200, (example, ALERT.findall(answer.text))


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE runs", "sql only reads"),
        ("SELECT 1; SELECT 2", "sql takes one statement, got 2"),
        ("FROM read_text('/etc/passwd')", "Permission Error"),
        ("SET threads = 1", "sql only reads"),
        ("PRAGMA database_list", "sql only reads"),
        ("FROM runz", "Did you mean"),
        ("COPY runs TO '/tmp/x.csv'", "sql only reads"),
    ],
)
def test_what_does_not_read_the_lake_is_refused_in_a_line(client, sql, reason):
    answer = asked(client, sql)
    (line,) = ALERT.findall(answer.text)
    assert answer.status_code == 400 and reason in line
    for form in ("csv", "parquet"):
        gone = client.get(f"/ask/answer.{form}", params={"sql": sql}, follow_redirects=False)
        assert gone.status_code == 303 and gone.headers["location"].startswith("/ask?sql=")


def test_an_answer_that_does_not_come_is_given_up(client, monkeypatch):
    monkeypatch.setattr(client.app.state.library.questions, "seconds", 0.2)
    line = ALERT.search(asked(client, "SELECT count(*) FROM range(9e9::BIGINT) a, range(9) b").text)
    assert line and "must come within 0.2 s" in line[1]
    assert asked(client, "FROM runs").status_code == 200


def test_an_answer_is_a_table_bars_and_pictures(client):
    page = asked(client, "SELECT name, size, representatives FROM clusters WHERE run_id = 'run-2'")
    text = page.text
    assert "even: a/b" in text and text.count("<rect") == 2
    assert text.count("/run/run-2/small/") == 5 + 5  # representatives of both kinds
    assert asked(client, "FROM range(1000)").text.count("<tr>") == 201
    assert "the first of more" in asked(client, "FROM range(1000)").text


@pytest.mark.parametrize("odd", ["'inf'::DOUBLE", "'nan'::DOUBLE", "NULL", "-1", "170::HUGEINT**9"])
def test_a_number_that_is_no_length_is_no_bar(client, odd):
    page = asked(client, f"SELECT 'a' AS t, {odd} AS n UNION ALL SELECT 'b', 2")
    assert page.status_code == 200 and ("<rect" in page.text) == ("HUGEINT" in odd)


def test_images_are_shown_by_key_or_path_and_nothing_else(client):
    page = asked(client, "SELECT '3 <i>.png' AS path UNION SELECT '../../etc/passwd'").text
    assert page.count("/small/") == 1 and "<i>.png" not in page


def test_markup_in_an_answer_is_text(client):
    page = asked(client, """SELECT '<script>alert(1)</script>' AS "<b>", 1 AS n""").text
    assert "<script>alert" not in page and "<b>" not in page


def test_a_whole_answer_can_be_taken_away(client):
    sql = "SELECT i, [i, NULL] AS l, 'a,\"' AS t FROM range(50000) r(i) ORDER BY i"
    rows = list(csv.reader(io.StringIO(client.get("/ask/answer.csv", params={"sql": sql}).text)))
    assert (
        len(rows) == 50_001
        and rows[0] == ["i", "l", "t"]
        and rows[-1][1:] == ["[49999, null]", 'a,"']
    )
    table = pq.read_table(
        io.BytesIO(client.get("/ask/answer.parquet", params={"sql": sql}).content)
    )
    assert table["i"].to_pylist() == list(range(50_000))

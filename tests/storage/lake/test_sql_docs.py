"""The SQL page: every question on it has an answer on a real lake."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from lakes import metrics, run_row
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select
from sortal.storage.workspace import Workspace

PAGE = Path(__file__).parents[3] / "docs" / "sql.md"
TEXT = PAGE.read_text("utf-8")
QUESTIONS = re.findall(r"```sql\n(SELECT.*?|WITH.*?)```", TEXT, re.DOTALL)

FILES = "SELECT 's' AS scan, 'pets' AS collection, range::VARCHAR AS path, ['cat', 'dog', 'dog', "
FILES += (
    "'dog', 'cat', 'cat'][range % 6 + 1] AS label, (range % 6)::VARCHAR AS key, 'ok' AS status, "
)
FILES += "TIMESTAMP '2025-05-01' AS taken_at, 46.5 AS latitude, 7.5 AS longitude FROM range(7)"
PLACED = "SELECT $r AS run_id, range::VARCHAR AS key, range / 10 AS distance, 0.5 AS w_image"
PLACED += ", [0, 0, $third, 1, 1, 1][range + 1] AS cluster FROM range(6)"
CLUSTERS = "SELECT $r AS run_id, range::INT AS cluster, 'n' AS name, 3 AS size FROM range(2)"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Two methods with two seeds each, over files of which two are the same.

    The last run puts one image of six elsewhere than the first.
    """
    with Lake(Workspace(tmp_path_factory.mktemp("docs")).create()) as lake:
        for number, method in enumerate(("cae-softmax", "cae-softmax", "cae", "cae")):
            changes = {"collection": "pets", "scan": "s", "method": method, "config": "{}"}
            row = run_row(number, **changes, random_state=number % 2)
            run, third = {"r": row["run_id"]}, {"third": int(number == 3)}
            figures = {"acc": 0.1 * number, "nmi": 0.2 * number, "ari": 0.1, "recall.cat": 0.5}
            lake.publish(
                row,
                {
                    "images": Select(FILES),
                    "assignments": Select(PLACED, run | third),
                    "clusters": Select(CLUSTERS, run),
                    "metrics": metrics(row, **figures, stability=0.1 * number),
                    "artifacts": pa.table(
                        {
                            "run_id": [row["run_id"]],
                            "role": ["scan"],
                            "kind": ["scan"],
                            "fingerprint": ["f"],
                            "identity": ["i"],
                            "seconds": [2.0],
                            "cpu_seconds": [1.0],
                            "peak_mb": [3.0],
                        }
                    ),
                },
            )
        yield lake


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_on_the_page_has_an_answer(lake, question):
    assert lake.query(question).num_rows > 0


def test_the_page_has_its_twenty_questions_with_answers_and_the_tables_that_exist(lake):
    assert len(QUESTIONS) == 20
    assert len(re.findall(r"```text\n\S", TEXT)) == 20
    described = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    names = lake.execute("SHOW TABLES").fetchall()
    assert described == {name for (name,) in names} - {"meta"}


def test_the_answers_on_the_page_have_the_columns_of_the_questions(lake):
    """What `benchmarks/cookbook.py` wrote is the answer to the question above it."""
    answers = re.findall(r"```text\n([^\n]+)\n", TEXT)
    for question, header in zip(QUESTIONS, answers, strict=True):
        assert header.split() == lake.query(question).column_names


def test_images_that_moved_and_copies_are_found(lake):
    copies, moved = (lake.execute(QUESTIONS[i]).fetchall() for i in (2, 3))
    assert [(n, sorted(paths)) for _, n, paths in copies] == [(2, ["0", "6"])]
    assert moved == [(0, 1, 1)]

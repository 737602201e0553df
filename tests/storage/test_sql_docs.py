"""The SQL page: every question on it has an answer on a real lake."""

import re
from pathlib import Path

import pytest

from storage.lake import Lake, Select
from storage.workspace import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
QUESTIONS = re.findall(r"```sql\n(SELECT.*?|WITH.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Two runs that put one image of six elsewhere, over files of which two are the same."""
    with Lake(Workspace(tmp_path_factory.mktemp("docs")).create()) as lake:
        for number, third in ((1, 0), (2, 1)):
            run = {"r": f"run-{number}"}
            row = {"run_id": run["r"], "fingerprint": run["r"], "collection": "pets", "scan": "s"}
            row |= {"source": "pets", "method": "cae", "encoder": "conse", "n_clusters": 2}
            row |= {"encoder_fingerprint": "e", "n_images": 7, "n_failed": 0, "config": "{}"}
            row |= {"random_state": 0, "started_at": None, "seconds": 1.0, "labels_used": False}
            row |= {"sortal_version": "0", "protocol": "whole", "finished_at": f"2026-01-0{number}"}
            files = "SELECT 's' AS scan, 'pets' AS collection, range::VARCHAR AS path"
            placed = "SELECT $r AS run_id, range::VARCHAR AS key, range / 10 AS distance"
            placed += f", [0, 0, {third}, 1, 1, 1][range + 1] AS cluster FROM range(6)"
            named = "SELECT $r AS run_id, range::INT AS cluster, 'n' AS name, 3 AS size"
            lake.publish(
                row,
                {
                    "images": Select(f"{files}, (range % 6)::VARCHAR AS key FROM range(7)"),
                    "assignments": Select(placed, run),
                    "clusters": Select(f"{named} FROM range(2)", run),
                    "metrics": Select(
                        "SELECT $r AS run_id, 'seconds.scan' AS name, 2 AS value", run
                    ),
                },
            )
        yield lake


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_on_the_page_has_an_answer(lake, question):
    assert lake.query(question).num_rows > 0


def test_the_page_has_its_five_questions_and_the_tables_that_exist(lake):
    assert len(QUESTIONS) == 5
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
    names = lake.execute("SHOW TABLES").fetchall()
    assert described == {name for (name,) in names} - {"meta"}


def test_images_that_moved_and_copies_are_found(lake):
    copies, moved = (lake.execute(QUESTIONS[i]).fetchall() for i in (2, 3))
    assert [(n, sorted(paths)) for _, n, paths in copies] == [(2, ["0", "6"])]
    assert moved == [(0, 1, 1)]

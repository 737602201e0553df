"""The newest run is the one that finished last, for every command and for SQL."""

import pytest

from lakes import EPOCH, run_row, tables
from sortal.configs.errors import UsageError
from sortal.flows.operations.assign import load_run
from sortal.flows.operations.lineage import rename
from sortal.flows.operations.query import reading, runs
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.runs import newest_run


def publish(workspace, *rows) -> None:
    with Lake(workspace) as lake:
        for row in rows:
            lake.publish(row, tables(row))


def newest(workspace, **asked) -> str:
    """As Python, SQL and `sortal runs` say, which must agree."""
    with Lake(workspace, read_only=True) as lake:
        found = newest_run(lake, **asked)["run_id"]
        if not asked:
            assert lake.execute("SELECT run_id FROM newest_run").fetchall() == [(found,)]
            assert runs(lake).fetchone()[0] == found
    return found


def test_it_is_the_one_that_finished_last_though_it_started_first(quoted):
    long = run_row(1) | {"finished_at": EPOCH.replace(year=2027)}
    publish(quoted, run_row(0), long, run_row(2))
    assert newest(quoted) == "run-0001"
    assert "in the lake" not in rename(quoted.root, "cat", "Felix", None)
    with reading(quoted.root) as lake:
        pinned = lake.execute("SELECT run_id FROM clusters WHERE pinned = 'Felix'").fetchall()
    assert pinned == [("run-0001",)]


def test_of_two_that_finished_at_once_it_is_the_one_with_the_greater_id(quoted):
    same = {"finished_at": EPOCH}
    publish(quoted, run_row(3) | same, run_row(4) | same, run_row(2) | same)
    assert newest(quoted) == "run-0004"


def test_a_collection_has_its_own(quoted):
    publish(quoted, run_row(1), run_row(2, collection="birds", scan="s"))
    assert newest(quoted) == newest(quoted, collection="birds") == "run-0002"
    assert newest(quoted, collection="pets") == newest(quoted, run="run-0001") == "run-0001"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"run": "nope"}, "no run 'nope' in the lake; `sortal runs` lists them"),
        ({"collection": "cats"}, "no run of collection 'cats' in the lake; `sortal runs`"),
        ({"run": "run-0001", "collection": "cats"}, "no run 'run-0001' of collection 'cats'"),
    ],
)
def test_one_that_is_not_there_is_named_with_the_way_out(quoted, asked, words):
    publish(quoted, run_row(1))
    with pytest.raises(UsageError, match=words):
        newest(quoted, **asked)
    if "collection" not in asked:
        with pytest.raises(UsageError, match=words):
            load_run(quoted, asked["run"], None)


def test_a_lake_without_a_run_says_how_to_make_one(quoted):
    publish(quoted)
    with pytest.raises(UsageError, match="make one: `sortal cluster`"):
        newest(quoted)


def test_a_lake_of_an_earlier_version_that_may_only_be_read_has_one_too(quoted):
    publish(quoted, run_row(1), run_row(2))
    with Lake(quoted) as lake:
        lake.execute("DROP VIEW newest_run")
    with Lake(quoted, read_only=True) as lake:
        assert newest_run(lake)["run_id"] == "run-0002"

"""One run is deleted with what it alone needs; the runs after it follow the one before it."""

import shutil

import pytest

from grown import Collection
from sortal.configs.errors import RunError, UsageError
from sortal.flows.operations.collections import rebind
from sortal.flows.operations.delete import delete, planned
from sortal.flows.operations.lineage import mark, rename
from sortal.flows.operations.verify import verify
from sortal.flows.terminal.maintenance import lines_of
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.lake.schema import RUN_TABLES, SCAN_TABLES
from sortal.storage.workspace import Workspace

SERIES = "SELECT run_id, max(previous_run_id) FROM changes GROUP BY ALL ORDER BY run_id"


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three runs of a collection that grows."""
    pets = Collection(tmp_path_factory.mktemp("deletion"))
    pets.add(cat=30, dog=25, boat=20)
    runs = [pets.run(3)]
    pets.add(dog=4, cat=15)
    runs.append(pets.run(3, report=True))
    pets.add(boat=12)
    runs.append(pets.run(3))
    return pets, [run.run_id for run in runs]


@pytest.fixture
def pets(three, tmp_path):
    """A copy of the three runs' workspace, and their ids."""
    made, runs = three
    shutil.copytree(made.root / "workspace", tmp_path / "workspace")
    copy = object.__new__(Collection)
    copy.__dict__ |= vars(made) | {"root": tmp_path, "images": dict(made.images)}
    shutil.copytree(made.root / "pets", tmp_path / "pets")
    rebind(tmp_path / "workspace", "pets", str(tmp_path / "pets"))
    return copy, tmp_path / "workspace", runs


def unsound(root):
    """What `sortal verify` finds wrong."""
    found = []
    verify(root, False, found.append)
    return [problem.finding for problem in found]


def ids_of(pets, run):
    query = (
        "SELECT key, cluster_id, name FROM assignments JOIN cluster_names USING (run_id, cluster)"
    )
    return sorted(pets.rows(f"{query} WHERE run_id = ?", run))


def test_a_middle_run_goes_whole_and_the_next_follows_the_one_before(pets):
    pets, root, (first, second, third) = pets
    assert dict(pets.rows(SERIES)) == {first: None, second: first, third: second}
    before = {run: ids_of(pets, run) for run in (first, third)}
    gone = delete(root, second)
    assert gone.run["followers"] == [third] and not gone.run["is_the_last"]
    assert dict(pets.rows(SERIES)) == {first: None, third: first}
    assert {run: ids_of(pets, run) for run in (first, third)} == before
    for table in ("runs", *RUN_TABLES):
        assert pets.rows(f"SELECT count(*) FROM {table} WHERE run_id = ?", second) == [(0,)]
    for table in SCAN_TABLES:
        query = f"SELECT count(*) FROM {table} WHERE scan NOT IN (SELECT scan FROM runs)"
        assert pets.rows(query) == [(0,)]
    assert unsound(root) == []
    changes = "SELECT sum(size), sum(previous_size), sum(shared) FROM changes WHERE run_id = ?"
    assert pets.rows(changes, third) == [(106, 75, 75)]
    assert not (root / "reports" / f"{second}.html").exists()


def test_after_a_middle_run_the_collection_goes_on_with_its_ids(pets):
    pets, root, (first, second, third) = pets
    delete(root, second)
    pets.add(cat=2)
    ids = {key: number for key, number, _ in ids_of(pets, third)}
    last = pets.run(3)
    assert dict(pets.rows(SERIES))[last.run_id] == third
    now = pets.ids(last)
    assert sum(now[key] == number for key, number in ids.items()) >= 0.95 * len(ids)
    assert unsound(root) == []


def test_the_first_run_goes_and_the_next_is_the_first(pets):
    pets, root, (first, second, third) = pets
    before = ids_of(pets, second)
    delete(root, first)
    assert dict(pets.rows(SERIES)) == {second: None, third: second}
    events = pets.rows("SELECT DISTINCT event, previous_size FROM changes WHERE run_id = ?", second)
    assert (events, ids_of(pets, second)) == ([("born", 0)], before)
    assert unsound(root) == []


def test_the_newest_run_goes_and_the_same_state_is_clustered_again_with_the_same_ids(pets):
    pets, root, (first, second, third) = pets
    before = ids_of(pets, third)
    delete(root, third)
    assert dict(pets.rows(SERIES)) == {first: None, second: first}
    again = pets.run(3)
    assert ids_of(pets, again.run_id) == before
    assert dict(pets.rows(SERIES))[again.run_id] == second
    assert unsound(root) == []


def test_the_only_run_takes_its_collection_with_it(pets):
    pets, root, runs = pets
    for run in runs:
        delete(root, run)
    assert pets.rows("SELECT count(*) FROM collections") == [(0,)]
    assert unsound(root) == []
    assert pets.run(3).changes["new"] == len(pets.images)


def test_pinned_names_and_marks_stay_where_the_cluster_lives_in_another_run(pets):
    pets, root, (first, second, third) = pets
    ids = {run: {number for _, number, _ in ids_of(pets, run)} for run in (first, second, third)}
    both = min(ids[first] & ids[second] & ids[third])
    rename(root, str(both), "kept for good", second)
    mark(root, both, "done", second)
    other = max(ids[second] - {both})
    with Lake(Workspace(root)) as lake:  # as if the second run had a kind of its own
        lake.execute(
            "UPDATE clusters SET stable_id = 77 WHERE run_id = ? AND stable_id = ?", [second, other]
        )
    rename(root, "77", "of this run alone", second)
    mark(root, 77, "to delete", second)
    assert planned(root, second).run["pins"] == [{"id": 77, "name": "of this run alone"}]
    assert planned(root, second).run["marks"] == [{"id": 77, "mark": "to delete"}]
    delete(root, second)
    assert pets.rows("SELECT stable_id, name FROM pins") == [(both, "kept for good")]
    assert pets.rows("SELECT stable_id, mark FROM marks") == [(both, "done")]
    names = "SELECT DISTINCT name FROM cluster_names WHERE cluster_id = ?"
    assert pets.rows(names, both) == [("kept for good",)]


def test_a_run_is_named_by_the_beginning_of_its_id(pets):
    pets, root, (first, second, third) = pets
    assert planned(root, second[:-1]).run_id == second
    with pytest.raises(UsageError, match="must name one run, got '20'"):
        planned(root, "20")
    for nothing in ("nope", "", "'; DROP TABLE runs"):
        with pytest.raises(UsageError, match="no run|must name one run"):
            delete(root, nothing)
    assert len(pets.rows("FROM runs")) == 3


def test_what_goes_is_said_before(pets):
    pets, root, (first, second, third) = pets
    said = "\n".join(lines_of(planned(root, second)))
    assert f"run {third} is compared with {first} then" in said
    assert "94 assignments" in said and "94 images" in said
    assert f"run {second} is the first of its series then" in "\n".join(
        lines_of(planned(root, first))
    )
    assert len(pets.rows("FROM runs")) == 3


def test_a_run_of_a_collection_that_is_being_sorted_stays(pets):
    pets, root, (first, *_) = pets
    with hold(Workspace(root), "pets"), pytest.raises(RunError, match="one run a collection"):
        delete(root, first)
    assert len(pets.rows("FROM runs")) == 3

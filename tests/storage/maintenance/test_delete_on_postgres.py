"""A run is deleted, and a collection re-bound, on PostgreSQL as on SQLite."""

from grown import Collection
from postgres import database
from sortal.flows.operations.collections import rebind
from sortal.flows.operations.delete import delete
from sortal.flows.operations.verify import verify


def test_a_middle_run_goes_and_the_next_follows_the_one_before(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SORTAL_CATALOGUE", database(server))
    pets, workspace = Collection(tmp_path), tmp_path / "workspace"
    pets.add(cat=20, dog=15)
    first = pets.run(2)
    pets.add(dog=4)
    second = pets.run(2)
    pets.add(cat=4)
    third = pets.run(2)
    before = pets.ids(third)
    delete(workspace, second.run_id)
    series = "SELECT run_id, max(previous_run_id) FROM changes GROUP BY ALL"
    assert dict(pets.rows(series)) == {first.run_id: None, third.run_id: first.run_id}
    assert pets.ids(third) == before
    problems = []
    verify(workspace, False, problems.append)
    assert problems == []
    assert "stay" in rebind(workspace, "pets", str(tmp_path / "pets"))

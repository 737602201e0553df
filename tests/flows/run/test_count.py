"""Runs that find out how many clusters there are: the curve, the tree, and what growth does."""

import re
from pathlib import Path

import numpy as np
import pytest

from grown import Collection
from sortal.flows.run.result import RunResult
from sortal.flows.terminal.run import count_lines, curve_lines, hint_lines
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace

FEW = {"method": "kmeans", "count": {"min_fits": 4, "max_fits": 4, "most": 8}}


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    made = Collection(tmp_path_factory.mktemp("count"), alike=1.5)
    made.add(cat=30, dog=30, boat=30, tree=30)
    return made


@pytest.fixture(scope="module")
def first(pets: Collection) -> RunResult:
    return pets.run(None, **FEW, report=True)


def asked(pets: Collection, name: str, run: RunResult) -> list[dict]:
    with Lake(Workspace(pets.root / "workspace"), read_only=True) as lake:
        return lake.query(sql(name), {"run": run.run_id}).to_pylist()


def tree(pets: Collection, run: RunResult) -> dict[int, set[str]]:
    """The kinds of animals and things by the id of their coarse kind."""
    rows = pets.rows(
        "SELECT DISTINCT kind_id, split_part(key, '-', 1) FROM assignments "
        "JOIN cluster_path USING (run_id, cluster) WHERE run_id = ?",
        run.run_id,
    )
    found: dict[int, set[str]] = {}
    for kind, name in rows:
        found.setdefault(kind, set()).add(name)
    return found


def test_the_finest_natural_number_is_taken_and_the_others_are_told(pets, first):
    counts = asked(pets, "report/counts", first)
    assert [row["n_clusters"] for row in counts if row["is_natural"]] == [2, 4]
    assert [row["n_clusters"] for row in counts if row["chosen"]] == [4]
    assert len(set(pets.ids(first).values())) == 4
    [line] = count_lines(counts)
    assert line.startswith("4 kinds; 2 would also be natural (")


@pytest.mark.parametrize(("encoding", "highest"), [("utf-8", "█"), ("ascii", "#")])
def test_the_terminal_draws_the_curve_with_its_peaks(encoding, highest, pets, first):
    counts = asked(pets, "report/counts", first)
    drawn, marks = curve_lines(counts, encoding)
    start = len("worth: 2 ")
    numbers = [row["n_clusters"] for row in counts]
    assert drawn.startswith("worth: 2 ") and drawn.endswith(f" {numbers[-1]}")
    assert drawn[start + numbers.index(4)] == highest and drawn.isprintable()
    marked = [place - start for place, letter in enumerate(marks) if letter == "^"]
    assert [numbers[place] for place in marked] == [2, 4]
    assert curve_lines([], encoding) == []


def test_clusters_are_gathered_into_kinds_with_names_and_ids(pets, first):
    assert sorted(map(sorted, tree(pets, first).values())) == [["boat", "tree"], ["cat", "dog"]]
    query = "SELECT level, count(*), sum(size), count(DISTINCT name) FROM cluster_tree GROUP BY 1"
    assert sorted(pets.rows(query)) == [(0, 4, 120, 4), (1, 2, 120, 2)]
    paths = pets.rows("SELECT path FROM cluster_path WHERE run_id = ? ORDER BY 1", first.run_id)
    assert [path for (path,) in paths] == [
        "boat and tree > boat",
        "boat and tree > tree",
        "mammal > cat",
        "mammal > dog",
    ]


def test_the_report_shows_the_curve_and_the_tree(first):
    page = Path(first.report).read_text("utf-8")
    numbers = re.findall(r'<text [^>]*aria-hidden="true">(\d+)</text>', page)
    assert numbers == ["2", "4"]
    assert "How many kinds" in page and "2 would also be natural" in page
    assert '<ul class="tree">' in page and page.count("<circle") == 2


def test_a_number_that_is_given_is_taken_and_a_poor_one_has_a_hint(pets, first):
    poor = pets.run(15, **FEW)
    assert asked(pets, "report/counts", poor) == []
    [line] = hint_lines(tuple(asked(pets, "runs/natural", poor)[0].values()))
    assert line.startswith("hint: 4 kinds would suit these images better than 15, ")
    assert asked(pets, "runs/natural", first) == []
    assert hint_lines((4, 4, 1.0, True)) == hint_lines((2, 4, 0.4, True)) == hint_lines(None) == []
    assert not pets.rows("FROM cluster_nodes WHERE run_id = ?", poor.run_id)


def test_growth_keeps_number_and_ids_until_another_is_clearly_better(tmp_path):
    pets = Collection(tmp_path, alike=1.5)
    pets.add(cat=30, dog=30, boat=30, tree=30)
    runs = [pets.run(None, **FEW)]
    pets.add(cat=5, boat=5)
    runs.append(pets.run(None, **FEW))
    chosen = next(row for row in asked(pets, "report/counts", runs[1]) if row["chosen"])
    assert (chosen["n_clusters"], chosen["kept"]) == (4, True)
    assert tree(pets, runs[0]) == tree(pets, runs[1])
    assert pets.run(None, **FEW).run_id == runs[1].run_id
    pets.add(frog=60)
    runs.append(pets.run(None, **FEW))
    assert len(set(pets.ids(runs[2]).values())) == 5
    before, after = pets.ids(runs[1]), pets.ids(runs[2])
    assert np.mean([before[key] == after[key] for key in before]) == 1.0
    kinds = tree(pets, runs[2])
    assert {frozenset(names) for names in kinds.values()} == {
        frozenset({"boat", "tree"}),
        frozenset({"cat", "dog", "frog"}),
    }
    assert kinds.keys() == tree(pets, runs[1]).keys()

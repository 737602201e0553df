"""A collection that grows: ids and names last, and the lake says what changed."""

import json
from collections import Counter
from pathlib import Path

import pytest

from grown import Collection
from sortal.configs.errors import UsageError
from sortal.flows.operations.lineage import rename
from sortal.flows.terminal.lineage import show_diff


@pytest.fixture
def pets(tmp_path):
    collection = Collection(tmp_path)
    collection.add(cat=60, dog=50, boat=40, tree=30)
    return collection


def kept(before, after):
    return sum(after.get(key) == value for key, value in before.items()) / len(before)


def test_ids_last_over_six_runs_of_five_per_cent_each(pets):
    first = pets.ids(pets.run(4))
    for step in range(6):
        pets.add(cat=3 + step % 2, dog=3, boat=2, tree=2)
        last = pets.run(4)
    assert kept(first, pets.ids(last)) >= 0.95
    names = pets.rows("SELECT stable_id, count(DISTINCT name), count(*) FROM growth GROUP BY 1")
    assert sorted(names) == [(i, 1, 7) for i in range(4)]
    sizes = dict(pets.rows("SELECT name, max(size) FROM growth GROUP BY 1"))
    assert sorted(sizes.values()) == sorted(Counter(k.split("-")[0] for k in pets.images).values())


def test_the_same_run_again_is_the_same_run_and_new_images_go_on_from_it(pets):
    first = pets.run(4)
    assert pets.run(4).run_id == first.run_id
    pets.add(dog=4)
    second = pets.run(4)
    assert second.run_id != first.run_id
    assert pets.run(4).run_id == second.run_id
    warm = (
        "SELECT run_id, value FROM metrics WHERE name IN ('noun.transport.warm', 'partition.warm')"
    )
    assert dict(pets.rows(warm)) == {first.run_id: 0, second.run_id: 1}
    spaces = pets.rows("SELECT count(DISTINCT fingerprint) FROM artifacts WHERE kind = 'space'")
    assert spaces == [(2,)]  # nouns' and captions', of both runs
    moves = "SELECT from_id IS NULL, from_id = to_id, sum(n_images) FROM moves GROUP BY ALL"
    assert sorted(pets.rows(moves), key=str) == [(False, True, 180), (True, None, 4)]


def test_back_to_an_earlier_state_is_a_run_of_its_own(pets):
    first = pets.run(4)
    extra = pets.add(dog=4)
    second = pets.run(4)
    for key in extra:
        del pets.images[key]
    third = pets.run(4)
    assert third.run_id not in {first.run_id, second.run_id}
    assert pets.rows("SELECT run_id, n_images FROM latest_runs") == [(third.run_id, 180)]
    assert pets.ids(third) == pets.ids(first)


def test_a_full_run_starts_cold_keeps_ids_and_is_then_the_one_that_stays(pets):
    first = pets.run(4)
    pets.add(cat=3)
    warm = pets.run(4)
    cold = pets.run(4, lineage={"full": True})
    assert cold.run_id != warm.run_id
    assert pets.run(4).run_id == cold.run_id
    assert kept(pets.ids(first), pets.ids(cold)) >= 0.95
    query = "SELECT value FROM metrics WHERE name = 'partition.warm' AND run_id = ?"
    assert pets.rows(query, cold.run_id) == [(0,)]


def test_a_new_kind_has_texts_chosen_again_and_changes_say_what_became_of_clusters(pets):
    pets.run(4)
    pets.remove("tree")
    pets.add(frog=45)
    last = pets.run(4)
    events = pets.rows("SELECT name, event FROM changes WHERE run_id = ?", last.run_id)
    event_of = dict(events)
    assert (
        event_of["tree"] == "vanished"
        and event_of["cat"] == "same"
        and event_of["frog"] in {"born"}
    )
    assert sum(event == "born" for _, event in events) == 1
    spaces = pets.rows("SELECT count(DISTINCT fingerprint) FROM artifacts WHERE kind = 'space'")
    assert spaces == [(4,)]


@pytest.mark.parametrize("n_frogs", [8, 60])
def test_a_new_kind_is_found_though_the_others_had_its_cluster(pets, n_frogs):
    """Four clusters of three kinds: one kind is in two, until frogs come and need the place."""
    pets.remove("tree")
    first = pets.run(4)
    before = pets.ids(first)
    pets.add(frog=n_frogs)
    last = pets.run(4)
    after = pets.ids(last)
    kinds = {key: key.split("-")[0] for key in after}
    assert len({(kinds[key], cluster) for key, cluster in after.items()}) == 4
    small = ("boat", "dog")
    assert kept({k: v for k, v in before.items() if kinds[k] in small}, after) >= 0.95
    query = "SELECT value FROM metrics WHERE run_id = ? AND name = 'partition.tried_cold'"
    assert pets.rows(query, last.run_id) == [(1,)]


def test_growth_alone_tries_no_cold_start(pets):
    pets.run(4)
    pets.add(cat=3, dog=3, boat=2, tree=2)
    last = pets.run(4)
    query = "SELECT value FROM metrics WHERE run_id = ? AND name = 'partition.tried_cold'"
    assert pets.rows(query, last.run_id) == [(0,)]


def test_more_clusters_split_one_and_fewer_merge_two(pets):
    pets.run(4)
    pets.add(cat=1)
    finer = pets.run(5)
    split = pets.rows(
        "SELECT event, count(*) FROM changes WHERE run_id = ? GROUP BY 1", finer.run_id
    )
    assert dict(split)["split"] == 2
    pets.add(cat=1)
    coarser = pets.run(3)
    events = dict(
        pets.rows("SELECT event, count(*) FROM changes WHERE run_id = ? GROUP BY 1", coarser.run_id)
    )
    assert events["merged"] >= 1 and events["vanished"] == 2


def test_without_lineage_a_run_stands_alone(pets):
    first = pets.run(4)
    pets.add(dog=4)
    run = pets.run(4, lineage={"enabled": False})
    assert pets.rows("SELECT count(*) FROM changes WHERE run_id = ?", run.run_id) == [(0,)]
    assert set(pets.ids(run).values()) == {0, 1, 2, 3}
    pets.add(dog=4)
    later = pets.run(4)
    followed = "SELECT DISTINCT previous_run_id FROM lineage WHERE run_id = ?"
    assert pets.rows(followed, later.run_id) == [(first.run_id,)]
    [(name,)] = pets.rows("SELECT name FROM cluster_names WHERE run_id = ? LIMIT 1", later.run_id)
    rename(pets.root / "workspace", name, "Tibbles", later.run_id)
    tibbles = pets.rows("SELECT DISTINCT run_id FROM cluster_names WHERE name = 'Tibbles'")
    assert set(tibbles) == {(first.run_id,), (later.run_id,)}


def test_a_pinned_name_shows_at_once_stays_and_is_nobody_elses(pets):
    first = pets.run(4)
    workspace = pets.root / "workspace"
    (old, other) = [name for (name,) in pets.rows("SELECT name FROM cluster_cards ORDER BY 1")][:2]
    assert "is now Tibbles" in rename(workspace, old, " Tibbles ", None)
    shown = "SELECT name FROM latest_assignments GROUP BY 1"
    assert "Tibbles" in {name for (name,) in pets.rows(shown)}
    for cluster, name, words in [
        (other, "tibbles", "names must differ"),
        ("no such", "x", "must be the stable id"),
        (other, " ", "1 to 200"),
        (other, None, "no pinned name"),
    ]:
        with pytest.raises(UsageError, match=words):
            rename(workspace, cluster, name, None)
    again = pets.run(4, report=True)
    assert again.run_id == first.run_id and not first.report
    assert "Tibbles" in Path(again.report).read_text("utf-8")
    pets.add(cat=4)
    second = pets.run(4, report=True)
    page = Path(second.report).read_text("utf-8")
    assert "What changed" in page and "Tibbles" in page
    names = "SELECT name FROM cluster_cards WHERE run_id = ?"
    assert ("Tibbles",) in pets.rows(names, second.run_id)
    assert "own name" in rename(workspace, "Tibbles", None, first.run_id)
    assert (old,) in pets.rows(names, second.run_id)


def test_diff_prints_what_moved_and_what_came(pets, capsys):
    first = pets.run(4)
    pets.remove("tree")
    pets.add(frog=30)
    second = pets.run(4)
    capsys.readouterr()
    show_diff(pets.root / "workspace", first.run_id, second.run_id, "json")
    rows = json.loads(capsys.readouterr().out)
    seen = {(row["from_name"], row["to_name"]): row["n_images"] for row in rows}
    assert seen == {("tree", None): 30, (None, "frog"): 30}
    with pytest.raises(UsageError, match="no run 'nowhere'"):
        show_diff(pets.root / "workspace", first.run_id, "nowhere")

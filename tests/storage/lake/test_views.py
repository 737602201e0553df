"""The lake's views: refreshed when their SQL changes, and right on small runs."""

import pytest

from lakes import COMPARING, assignments, count, images, plain_duckdb, run_row, tables
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.schema import VIEWS


def test_views_are_refreshed_when_their_sql_has_changed(filled):
    with Lake(filled) as lake:
        lake.execute("CREATE OR REPLACE VIEW leaderboard AS SELECT 1 AS old")
        lake.execute("UPDATE meta SET value = 'old' WHERE name = 'schema'")
    with Lake(filled) as lake:
        assert "acc" in lake.query("FROM leaderboard").column_names
    with Lake(filled) as lake:
        [commits] = lake.execute("SELECT value FROM meta WHERE name = 'commits'").fetchall()
    assert commits == ("3",)


def test_every_view_answers_in_any_duckdb(filled):
    with plain_duckdb(filled) as other:
        for view in VIEWS:
            rows = other.execute(f"SELECT count(*) FROM lake.{view}").fetchone()[0]
            assert rows > 0 or view in COMPARING, view


def test_latest_views_show_the_newest_run_of_each_collection(filled):
    with Lake(filled, read_only=True) as lake:
        assert lake.query("SELECT run_id FROM latest_runs").to_pylist() == [{"run_id": "run-0009"}]
        rows = lake.query("SELECT path, name FROM latest_assignments ORDER BY path").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a.png", "cat"),
        ("b.png", "cat"),
        ("c.png", "dog"),
        ("d.png", "dog"),
    ]


def test_two_paths_of_one_image_are_both_in_latest_assignments(quoted):
    row = run_row()
    double = images(row, ["a.png", "b.png"], [None, None]).set_column(3, "key", [["k", "k"]])
    one = assignments(row, ["a.png"], [0]).set_column(1, "key", [["k"]])
    with Lake(quoted) as lake:
        lake.publish(row, {"images": double, "assignments": one})
        assert count(lake, "latest_assignments") == 2


def test_cluster_cards_hold_names_shares_nouns_and_a_typical_image(filled):
    with Lake(filled, read_only=True) as lake:
        query = "FROM cluster_cards WHERE run_id = 'run-0001' ORDER BY cluster"
        cat, dog = lake.query(query).to_pylist()
    assert (cat["name"], cat["share"], cat["nouns"]) == ("cat", 0.5, ["cat", "kitten"])
    assert (cat["typical"], dog["nouns"]) == ("a.png", None)


def test_leaderboard_averages_seeds_and_leaves_out_runs_that_saw_labels(filled):
    with Lake(filled, read_only=True) as lake:
        [line] = lake.query("FROM leaderboard").to_pylist()
    assert (line["method"], line["seeds"], line["acc"]) == ("cae", 2, 0.625)
    assert line["acc_sd"] == pytest.approx(0.1767767)


def test_leaderboard_counts_a_repeated_seed_once_and_takes_the_newest(quoted):
    with Lake(quoted) as lake:
        for number, acc in ((0, 0.1), (1, 0.9)):
            row = run_row(number, random_state=0)
            lake.publish(row, tables(row, acc))
        [line] = lake.query("FROM leaderboard").to_pylist()
    assert (line["seeds"], line["acc"], line["acc_sd"]) == (1, 0.9, None)


def test_ablation_has_a_line_for_each_setting_and_its_distance_from_the_best(filled):
    with Lake(filled) as lake:
        row = run_row(10, random_state=0, config='{"transport": {"epsilon": 0.5}}')
        lake.publish(row, tables(row, 0.125))
        question = "SELECT epsilon, seeds, acc, acc_behind_best FROM ablation WHERE NOT labels_used"
        lines = lake.query(question).to_pylist()
    assert [tuple(line.values()) for line in lines] == [(0.02, 2, 0.625, 0), (0.5, 1, 0.125, -0.5)]


def test_an_experiment_has_a_line_of_its_own_and_leaves_the_methods_as_it_is(filled):
    with Lake(filled) as lake:
        row = run_row(11, random_state=0, variant="head.x=1", config='{"head": {"x": 1}}')
        lake.publish(row, tables(row, 0.25))
        board = lake.query("SELECT method, seeds, acc FROM leaderboard ORDER BY acc").to_pylist()
        split = lake.query("SELECT method, acc FROM ablation WHERE acc = 0.25").to_pylist()
    assert [tuple(line.values()) for line in board] == [
        ("cae [head.x=1]", 1, 0.25),
        ("cae", 2, 0.625),
    ]
    assert [line["method"] for line in split] == ["cae [head.x=1]"]


def test_confusion_counts_labelled_images(filled):
    with Lake(filled, read_only=True) as lake:
        query = "SELECT cluster, label, n_images FROM confusion WHERE run_id = 'run-0000'"
        rows = sorted(tuple(row.values()) for row in lake.query(query).to_pylist())
    assert rows == [(0, "cat", 2), (1, "dog", 1)]


def test_failures_are_counted_by_code(filled):
    with Lake(filled, read_only=True) as lake:
        [line] = lake.query("FROM failures_by_code").to_pylist()
    assert (line["error_code"], line["n_images"], line["example"]) == ("truncated", 1, "x.png")

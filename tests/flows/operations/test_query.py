"""Reading the lake from a terminal: light, read-only, confined, one clear line when wrong."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.flows.terminal.query import list_runs, run_sql
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select
from sortal.storage.workspace import Workspace

NAMES = ["cat", 'a "quoted", name', "line\nbreak", "'; DROP TABLE runs; --", "-x", "猫 \U0001f431"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = Workspace(tmp_path_factory.mktemp("queries")).create()
    fixed = {"fingerprint": "f", "collection": "pets", "scan": "s", "source": "pets/"}
    fixed |= {"method": "cae", "encoder": "conse", "encoder_fingerprint": "e", "n_clusters": 6}
    fixed |= {"n_images": 500, "n_failed": 0, "random_state": 0, "config": "{}"}
    fixed |= {"started_at": None, "finished_at": None, "seconds": 1.0}
    row = {"run_id": "run-1", **fixed, "sortal_version": "0", "labels_used": False}
    row |= {"protocol": "whole"}
    clusters = "SELECT 'run-1' AS run_id, unnest($n) AS name, unnest(range(6))::INT AS cluster"
    many = "SELECT 'run-1' AS run_id, range::VARCHAR AS key, 0 AS cluster FROM range(500)"
    with Lake(workspace) as lake:
        lake.publish(row, {"clusters": Select(clusters, {"n": NAMES}), "assignments": Select(many)})
    return workspace.root


def test_runs_are_listed(root, capsys):
    list_runs(root)
    assert capsys.readouterr().out.splitlines()[2].startswith("run-1")


def test_without_a_query_tables_and_examples_are_shown(root, capsys):
    run_sql(root, None)
    shown = capsys.readouterr().out
    assert "latest_assignments" in shown and "sortal sql" in shown and "meta" not in shown.split()


def test_every_table_and_view_says_what_it_holds_in_any_format(root, capsys):
    run_sql(root, ".tables", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["kind"] for row in rows} == {"table", "view"} and len(rows) > 25
    assert all(row["what"] and row["columns"] for row in rows)


def test_names_of_metrics_are_explained(root, capsys):
    run_sql(root, ".metrics", "csv")
    rows = dict(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows["silhouette_fused"].startswith("mean silhouette")


def test_csv_and_json_hold_any_name(root, capsys):
    query = "SELECT name FROM clusters ORDER BY cluster"
    run_sql(root, query, "csv")
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["name"], *([name] for name in NAMES)]
    run_sql(root, query, "json")
    assert json.loads(capsys.readouterr().out) == [{"name": name} for name in NAMES]
    run_sql(root, f"{query} LIMIT 0", "json")
    assert json.loads(capsys.readouterr().out) == []


def test_a_table_keeps_a_line_a_row_and_says_what_it_leaves_out(root, capsys):
    run_sql(root, "FROM clusters")
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(NAMES)
    run_sql(root, "FROM assignments")
    assert "only 100 rows are shown" in capsys.readouterr().out.splitlines()[-1]


def test_parquet_goes_to_a_file_whole(root, tmp_path):
    run_sql(root, "FROM assignments", "parquet", tmp_path / "out.parquet")
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 500
    with pytest.raises(UsageError, match="needs --output"):
        run_sql(root, "FROM assignments", "parquet")


def test_an_unknown_format_and_a_bad_file_are_refused(root, tmp_path):
    with pytest.raises(UsageError, match="table, csv, json, parquet, got xml"):
        run_sql(root, "SELECT 1", "xml")
    for output in ("csv", "parquet"):
        with pytest.raises(UsageError, match="--output"):
            run_sql(root, "SELECT 1", output, tmp_path / "no folder" / "x")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM runs",
        "INSERT INTO runs (run_id) VALUES ('x')",
        "DROP TABLE runs",
        "CREATE TABLE memory.x AS SELECT 1",
        "WITH x AS (SELECT 1) DELETE FROM runs",
        "COPY (SELECT 1) TO '{file}'",
        "COPY runs TO '{lake}/x.csv'",
        "ATTACH '{file}' AS other",
        "SET enable_external_access = true",
        "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
        "FROM ducklake_expire_snapshots('lake', older_than => now())",
        "FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)",
        "UPDATE __ducklake_metadata_lake.ducklake_metadata SET value = 'x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FROM read_text('{file}')",
        "FROM '{file}'",
        "SELECT 1; SELECT 2",
        "",
        "SELEC 1",
        "SELECT no_such_column FROM runs",
    ],
)
def test_what_writes_or_leaves_the_lake_or_is_no_sql_gets_one_line(root, tmp_path, query):
    outside = tmp_path / "outside.csv"
    outside.write_text("secret")
    before = sorted(root.rglob("*"))
    with pytest.raises(UsageError) as caught:
        run_sql(root, query.format(file=outside, lake=root / "lake"))
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    assert outside.read_text() == "secret"
    assert [p for p in sorted(root.rglob("*")) if p.name[-4:] not in ("-shm", "-wal")] == [
        p for p in before if p.name[-4:] not in ("-shm", "-wal")
    ]


def test_a_workspace_without_runs_is_named(tmp_path):
    with pytest.raises(UsageError, match="no runs"):
        run_sql(tmp_path, "FROM runs")


def test_an_answer_needs_no_heavy_import(root):
    heavy = "torch prefect sklearn pydantic pyarrow numpy pandas"
    code = (
        "import sys; from pathlib import Path; from sortal.flows.terminal.query import run_sql\n"
        f"run_sql(Path({str(root)!r}), 'FROM cluster_cards', 'json')\n"
        f"print([m for m in {heavy!r}.split() if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True)
    assert done.stderr.strip() == "[]"


def test_a_reader_that_stops_early_is_no_error(root):
    query = ["sql", "FROM assignments, range(200)", "--format", "csv", "--workspace", str(root)]
    with subprocess.Popen(
        [sys.executable, "-m", "sortal", *query], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


BREAKS = "SELECT ('z' || range)::INT AS n FROM range(1, 50000)"


@pytest.mark.parametrize("output", ["csv", "json", "parquet", "table"])
def test_a_file_is_written_whole_or_stays_as_it_was(root, tmp_path, output):
    kept, new = tmp_path / "kept", tmp_path / "new"
    kept.write_text("precious")
    for file in (kept, new):
        with pytest.raises(UsageError, match="SQL: "):
            run_sql(root, BREAKS, output, file)
    assert kept.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    run_sql(root, "SELECT 1 AS one", output, kept)
    assert b"one" in kept.read_bytes()


def test_what_can_be_no_file_is_refused_and_nothing_is_made(root, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target.csv")
    run_sql(root, "SELECT 1", "csv", tmp_path / "link")
    assert (tmp_path / "target.csv").is_file() and (tmp_path / "link").is_symlink()
    run_sql(root, "SELECT 1", "csv", Path("/dev/null"))
    for file, why in ((tmp_path, "that is a folder"), (tmp_path / "a" / "b.csv", "no folder")):
        with pytest.raises(UsageError, match=why):
            run_sql(root, "SELECT 1", "csv", file)
    with pytest.raises(UsageError, match="No space left"):
        run_sql(root, "FROM assignments", "csv", Path("/dev/full"))
    assert not (tmp_path / "a").exists()


def test_json_holds_what_sql_knows_and_json_does_not(root, capsys):
    odd = "'nan'::DOUBLE AS n, [1, 'inf'::DOUBLE] AS l, MAP {DATE '2026-01-02': 'nan'::DOUBLE} AS m"
    run_sql(root, f"SELECT {odd}", "json")
    (row,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert row == {"n": None, "l": [1, None], "m": {"2026-01-02": None}}
    run_sql(root, f"SELECT {odd}", "csv")
    assert "NaN" not in capsys.readouterr().out
    run_sql(root, "SELECT 1 AS a, 2 AS a, 3 AS a", "json")
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "a_1": 2, "a_2": 3}]

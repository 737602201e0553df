"""Benchmarks: a grid of ordinary runs, each made once, whatever dies in between."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.commands.benchmark import BenchmarkConfig
from sortal.configs.errors import RunError, UsageError
from sortal.configs.load import checked
from sortal.flows.benchmark import flow as module
from sortal.flows.benchmark.grid import cells_of, missing
from sortal.flows.benchmark.workers import attempt
from sortal.flows.terminal.benchmark import run_benchmark
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.workspace import Workspace

KINDS, DIM, N_IMAGES = 3, 16, 120
FLOW = module.benchmark.fn  # without Prefect
SMALL = ("head.trainer.epochs=2", "head.trainer.n_neighbours=5", "partition.n_init=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labelled vectors of three kinds, and nouns of the same kinds."""
    folder = tmp_path_factory.mktemp("grid") / "kinds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((KINDS, DIM))

    def write(name, labels, **columns):
        rows = kinds[labels] + 0.2 * rng.standard_normal((len(labels), DIM))
        vectors = pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32(), DIM))
        pq.write_table(pa.table({**columns, "vector": vectors}), folder / f"{name}.parquet")

    labels = np.arange(N_IMAGES) % KINDS
    names = np.array(["cat", "boat", "tree"])
    write("images", labels, key=[f"i{i:03}" for i in range(N_IMAGES)], label=names[labels])
    write("nouns", np.arange(6) % KINDS, text=["cat", "boat", "tree", "lion", "raft", "elm"])
    write("captions", np.arange(3), text=[f"a {name} somewhere" for name in names])
    return folder


def config(folder, root, *methods, **values):
    values = {"seeds": 2, "jobs": 1, "settings": SMALL, **values}
    place = {"collections": (f"vectors:{folder}",), "methods": methods, "workspace": root}
    return checked(BenchmarkConfig, place | values)


def run(*arguments, **values):
    return FLOW(config(*arguments, **values))


def count(root, table):
    with Lake(Workspace(root), read_only=True) as lake:
        return lake.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_other_content_of_a_modality_or_a_captions_file_makes_its_cells_missing(folder, tmp_path):
    keys = [f"i{i:03}" for i in range(N_IMAGES)]
    audio, captions = tmp_path / "audio.parquet", tmp_path / "captions.csv"

    def write(seed):
        rows = np.random.default_rng(seed).standard_normal((N_IMAGES, 4)).astype(np.float32)
        vectors = pa.array(rows.tolist(), pa.list_(pa.float32(), 4))
        pq.write_table(pa.table({"key": keys, "vector": vectors}), audio)
        lines = [f"{key},a thing of kind {seed}" for key in keys]
        captions.write_text("\n".join(["file_name,caption", *lines]))

    def cells():
        modalities = ["views.audio.kind=vectors", f"views.audio.source={audio}"]
        modalities += ["head.glad.views=[image, audio]", "captioner.kind=given"]
        settings = (*SMALL, *modalities, f"captioner.given.source={captions}")
        values = {"seeds": 1, "settings": settings}
        made = cells_of(
            config(folder, tmp_path / "w", "kmeans", "glad", "sac", **values),
            Workspace(tmp_path / "w").create(),
        )
        return {cell.config.method_name: cell.key for cell in made}

    write(0)
    before = cells()
    assert cells() == before
    write(1)
    after = cells()
    assert {name for name in before if before[name] != after[name]} == {"glad", "sac"}


@pytest.mark.usefixtures("at_once")
def test_a_modality_that_is_lacking_fails_the_cells_that_read_it_alone(folder, tmp_path):
    settings = (*SMALL, "modalities.title.kind=column", "head.glad.modalities=[image, title]")
    result = run(folder, tmp_path, "kmeans", "glad", seeds=1, settings=settings)
    assert [(row["method"], row["seeds"], row["failed"]) for row in result.rows] == [
        ("kmeans", 1, 0), ("glad", 0, 1),
    ]  # fmt: skip
    with Lake(Workspace(tmp_path), read_only=True) as lake:
        (error,) = lake.execute("SELECT error FROM cells WHERE run_id IS NULL").fetchone()
    assert "title" in error and "\n" not in error


def test_a_grid_is_run_summed_up_and_not_run_again(folder, tmp_path, monkeypatch, capsys):
    result = run(folder, tmp_path, "kmeans", "tac")
    assert [(row["method"], row["seeds"], row["failed"]) for row in result.rows] == [
        ("kmeans", 2, 0), ("tac", 2, 0),
    ]  # fmt: skip
    assert (result.n_cells, result.n_failed, count(tmp_path, "runs")) == (4, 0, 4)
    assert result.rows[0]["acc"] == 1.0 and "| kmeans | 2 | 100.0 ± 0.0 |" in module.markdown(
        result
    )
    with Lake(Workspace(tmp_path), read_only=True) as lake:
        ranked = lake.execute("SELECT method, seeds FROM leaderboard ORDER BY 1").fetchall()
        costs = lake.execute("SELECT min(n_rows), min(peak_mb) FROM artifacts").fetchone()
        protocols = lake.execute("SELECT DISTINCT protocol, labels_used FROM runs").fetchall()
    short = "head.trainer.epochs=2, head.trainer.n_neighbours=5, partition.n_init=1"
    assert ranked == [("kmeans [partition.n_init=1]", 2), (f"tac [{short}]", 2)] and protocols == [
        ("whole", False)
    ]
    assert costs[0] > 0 and costs[1] > 0
    monkeypatch.setattr(module, "run_groups", None)  # nothing may be run
    assert run_benchmark(config(folder, tmp_path, "tac"), as_json=True)
    assert '"n_cells": 2' in capsys.readouterr().out


def run_here(groups, *_):
    return (attempt(task) for group in groups for task in group)


@pytest.fixture
def at_once(monkeypatch):
    """Cells run in this process, and the flow without Prefect, where neither is what is tested."""

    monkeypatch.setattr(module, "run_groups", run_here)
    monkeypatch.setattr(module, "benchmark", module.benchmark.fn)


@pytest.mark.usefixtures("at_once")
def test_only_what_is_new_is_run_and_what_fails_is_a_row(folder, tmp_path):
    one = run(folder, tmp_path, "kmeans", seeds=1)
    assert "| kmeans | 1 | 100.0 | 100.0 | 100.0 |" in module.markdown(one)  # no spread of one
    wild = tmp_path / "wild.yaml"
    wild.write_text("extends: tac\nhead: {trainer: {lr: 1.0e+30, min_steps: 7}}\n")
    whole = config(folder, tmp_path, "kmeans", str(wild), "tac-free", seeds=2, jobs=2)
    workspace = Workspace(tmp_path)
    assert len(missing(workspace, cells_of(whole, workspace))) == 5
    result = FLOW(whole)
    assert (result.n_cells, result.n_failed) == (6, 2)
    assert [row["seeds"] for row in result.rows] == [2, 0, 2]
    assert "training diverged" in result.rows[1]["error"]
    left = missing(workspace, cells_of(whole, workspace))
    assert {cell.config.method_name for cell in left} == {"wild"}
    assert not run_benchmark(whole, as_json=True)


def test_a_worker_that_is_killed_costs_its_cell_and_no_other(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SORTAL_TESTING", "1")
    monkeypatch.setenv("SORTAL_FAULT", "KILL lake.written")  # each dies as it publishes
    result = run(folder, tmp_path, "kmeans", "tac-free", seeds=1)
    assert result.n_failed == 2 and count(tmp_path, "runs") == 0
    assert all("was killed by signal SIGKILL" in row["error"] for row in result.rows)
    monkeypatch.delenv("SORTAL_FAULT")
    monkeypatch.setattr(module, "run_groups", run_here)
    result = run(folder, tmp_path, "kmeans", "tac-free", seeds=1)
    assert result.n_failed == 0 and count(tmp_path, "cells") == 2


def grid(folder, root):
    run(folder, root, "kmeans", "tac-free", "tac", seeds=4)


def test_a_benchmark_killed_in_the_middle_goes_on_from_there(folder, tmp_path, monkeypatch):
    process = multiprocessing.get_context("spawn").Process(target=grid, args=(folder, tmp_path))
    process.start()
    until(lambda: (tmp_path / "lake/catalog.sqlite").exists() and safely(tmp_path) > 1)
    started = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    until(lambda: not any(map(is_alive, started)))  # workers end with their parent
    done = count(tmp_path, "runs")
    assert 0 < done < 12
    monkeypatch.setattr(module, "run_groups", run_here)
    result = run(folder, tmp_path, "kmeans", "tac-free", "tac", seeds=4)
    assert result.n_failed == 0 and count(tmp_path, "runs") == 12 == count(tmp_path, "cells")
    assert not list((tmp_path / "training").glob("*"))


def children(pid):
    """The processes that a process has started, by Linux's word."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    """Whether a process runs: not gone, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true):
    while not true():
        time.sleep(0.2)


def safely(root):
    try:
        return count(root, "cells")
    except (UsageError, RunError):  # the lake is being made
        return 0


def test_one_benchmark_of_a_collection_at_a_time(folder, tmp_path):
    workspace = Workspace(tmp_path).create()
    with hold(workspace, "kinds"), pytest.raises(RunError, match="one run a collection at a time"):
        run(folder, tmp_path, "kmeans")


@pytest.mark.usefixtures("at_once")
def test_no_label_reaches_a_step_but_the_metrics(folder, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    table = pq.read_table(mixed / "images.parquet")
    order = np.random.default_rng(0).permutation(N_IMAGES)
    labels = pa.chunked_array([table["label"].combine_chunks().take(pa.array(order))])
    place = table.column_names.index("label")
    pq.write_table(table.set_column(place, "label", labels), mixed / "images.parquet")
    steps = (*SMALL, "head.trainer.min_steps=7")  # enough for a head to learn anything
    for source in (folder, mixed):
        run(source, tmp_path / "ws", "cae", "tac", "sic", seeds=1, settings=steps)
    with Lake(Workspace(tmp_path / "ws"), read_only=True) as lake:
        query = """
            SELECT run.collection, run.method, list((key, cluster) ORDER BY key)
            FROM assignments JOIN runs AS run USING (run_id) GROUP BY 1, 2 ORDER BY 2, 1"""
        found = lake.execute(query).fetchall()
        scores = lake.execute("SELECT collection, min(acc) FROM leaderboard GROUP BY 1").fetchall()
    assert [row[2] for row in found[::2]] == [row[2] for row in found[1::2]] and len(found) == 6
    assert dict(scores)["kinds"] == 1.0 > dict(scores)["mixed"]


@pytest.mark.usefixtures("at_once")
def test_a_method_that_sees_labels_is_marked_and_not_ranked(folder, tmp_path):
    settings = (*SMALL, "head.selection=paper")
    result = run(folder, tmp_path, "tac", seeds=1, settings=settings)
    assert result.rows[0]["labels_used"] and "tac (saw labels)" in module.markdown(result)
    assert count(tmp_path, "leaderboard") == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"methods": ("kmean",)}, "the nearest are kmeans"),
        ({"methods": ("cae", "cae")}, "must differ, got cae twice"),
        ({"protocol": "half"}, "protocol.*'whole' or 'split'"),
        ({"settings": ("fusion.gama=1",)}, "did you mean fusion.gamma"),
        ({"protocol": "split"}, "has none; give one with --train"),
        ({"train": ("a",)}, "with --protocol split only"),
        ({"collections": ("{folder}", "vectors:{folder}")}, "got 'kinds' twice"),
        ({"n_clusters": 121}, r"must be in \[2, 120\]"),
    ],
)
def test_what_cannot_work_is_one_line_before_anything_is_run(folder, tmp_path, values, words):
    if "collections" in values:
        values = {"collections": tuple(it.format(folder=folder) for it in values["collections"])}
    with pytest.raises(UsageError, match=words) as error:
        run(folder, tmp_path, *values.pop("methods", ("kmeans",)), **values)
    assert "\n" not in str(error.value)


def test_a_collection_without_labels_is_refused(folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("nouns", "captions"):
        (bare / f"{name}.parquet").write_bytes((folder / f"{name}.parquet").read_bytes())
    table = pq.read_table(folder / "images.parquet").drop_columns(["label"])
    pq.write_table(table, bare / "images.parquet")
    with pytest.raises(UsageError, match="labels of at least 2 classes.*got 0 of 0 labelled"):
        run(bare, tmp_path / "ws", "kmeans")
    pq.write_table(table.append_column("label", table["key"]), bare / "images.parquet")
    with pytest.raises(UsageError, match="fewer classes than images"):
        run(bare, tmp_path / "ws", "kmeans")

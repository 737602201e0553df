"""Commit: what the steps made is in the lake whole, once, under a stable id."""

import json
import shutil
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs import METHOD
from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import RunConfig
from sortal.storage.artifacts import Written, publish
from sortal.storage.lake.lake import Lake
from sortal.tasks.publishing.rows import step_metrics
from sortal.tasks.publishing.step import Clock, commit, redact

CLOCK = Clock(started_at=datetime(2026, 11, 23, 0, 15, 30, tzinfo=UTC))


def artifact(workspace, kind, tables, **facts):
    def body(folder):
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        return Written(rows=1, facts=facts)

    return publish(workspace, kind, f"{kind}-1", body)


def image(path, key, status="ok", code=None):
    row = {"path": path, "key": key, "label": "cat" if key else None, "width": 8, "height": 8}
    row |= {"format": "PNG", "bytes": 100, "offset": None, "status": status}
    return row | {"error_code": code, "error": f"is {code}" if code else None}


def made(workspace):
    """Five inputs: two good, a copy of one of them, one that did not decode, one unreadable."""
    good = [image("a", "k1"), image("b", "k2"), image("copy of a", "k1")]
    bad = [image("c", "k3"), image("d", None, "failed", "truncated")]
    broken = [{"key": "k3", "error_code": "undecodable", "error": "cannot decode"}]
    placed = pa.table({"key": ["k1", "k2"], "cluster": pa.array([0, 1], pa.int32())})
    placed = placed.append_column("distance", pa.array([0.25, 0.5], pa.float32()))
    weights = {"key": ["k2", "k1"], "w_image": [0.5, 0.75], "w_noun": [0.5, 0.25]}
    clusters = {"cluster": [0, 1], "name": ["cat", "dog"], "size": [1, 1], "caption": ["a", None]}
    clusters |= {"mean_distance": [0.25, 0.5], "representatives": [["k1"], ["k2"]]}
    terms = {"cluster": [0], "corpus": ["noun"], "rank": [1], "term": ["cat"]}
    terms |= {"mass": [0.5], "score": [1.5]}
    scores = {"name": ["acc", "nmi"], "value": [0.75, 0.5]}
    cost = {"seconds": 1.5, "peak_mb": 100}
    parts = {
        "scan": artifact(workspace, "scan", {"images": pa.Table.from_pylist(good + bad)}),
        "images": artifact(
            workspace, "image_vectors", {"failures": pa.Table.from_pylist(broken)}, cost=cost
        ),
        "fused": artifact(
            workspace, "fused", {"weights": pa.table(weights | {"w_caption": [0.0, 0.0]})}
        ),
        "partition": artifact(
            workspace, "partition", {"assignments": placed}, inertia=2.5, sizes=[1, 1], cost=cost
        ),
        "names": artifact(
            workspace, "names", {"clusters": pa.table(clusters), "terms": pa.table(terms)}
        ),
        "metrics": artifact(workspace, "metrics", {"metrics": pa.table(scores)}),
    }
    config = RunConfig(source="s3://me:pass-w0rd@host/pets", n_clusters=2, collection="pets")
    arguments = {"config": config, "encoder_fingerprint": "e1", "steps": dict(parts)}
    return arguments | parts | {"metrics": [parts["metrics"]]}


def rows(workspace, query):
    with Lake(workspace, read_only=True) as lake:
        return [tuple(row.values()) for row in lake.query(query).to_pylist()]


def test_a_run_is_published_with_everything_its_steps_made(workspace):
    run = commit(workspace, **made(workspace), clock=CLOCK)
    run_id = run.facts["run_id"]
    assert run_id.startswith("20261123-001530-") and len(run_id) == 22
    assert (run.facts["n_images"], run.facts["n_failed"]) == (3, 2)
    assert run.facts["metrics"] == {"acc": 0.75, "nmi": 0.5}
    found = rows(workspace, "SELECT role, kind, fingerprint FROM artifacts ORDER BY role")
    assert ("images", "image_vectors", "image_vectors-1") in found and len(found) == 6
    weighed = "SELECT path, name, distance, w_image, w_noun FROM latest_assignments ORDER BY path"
    assert rows(workspace, weighed) == [
        ("a", "cat", 0.25, 0.75, 0.25),
        ("b", "dog", 0.5, 0.5, 0.5),
        ("copy of a", "cat", 0.25, 0.75, 0.25),
    ]
    assert rows(workspace, "SELECT path, status, error_code FROM images ORDER BY path")[2:] == [
        ("c", "failed", "undecodable"),
        ("copy of a", "ok", None),
        ("d", "failed", "truncated"),
    ]
    assert rows(workspace, "SELECT path, error FROM failures ORDER BY path") == [
        ("c", "cannot decode"),
        ("d", "is truncated"),
    ]
    assert rows(workspace, "SELECT run_id, term FROM cluster_terms") == [(run_id, "cat")]
    metrics = dict(rows(workspace, "SELECT name, value FROM metrics"))
    assert metrics["acc"] == 0.75 and metrics["partition.inertia"] == 2.5
    assert metrics["seconds.images"] == 1.5 and metrics["peak_mb.partition"] == 100
    assert rows(workspace, "SELECT method, seconds, labels_used FROM runs") == [
        (METHOD, 3.0, False)
    ]
    kept = json.loads(run.file(workspace, "run.json").read_text())
    assert (kept["run_id"], kept["metrics"]) == (run_id, metrics)


def test_the_same_run_at_another_time_is_the_same_run(workspace):
    later = Clock(started_at=datetime(2027, 1, 1, tzinfo=UTC))
    arguments = made(workspace)
    first = commit(workspace, **arguments, clock=CLOCK)
    assert commit(workspace, **arguments, clock=later) == first
    assert len(rows(workspace, "FROM runs")) == 1


def test_a_run_published_but_cut_off_before_its_artifact_keeps_its_id(workspace):
    arguments = made(workspace)
    first = commit(workspace, **arguments, clock=CLOCK)
    shutil.rmtree(first.folder(workspace))
    later = Clock(started_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert commit(workspace, **arguments, clock=later).facts["run_id"] == first.facts["run_id"]
    assert len(rows(workspace, "FROM runs")) == 1


def test_a_deleted_lake_is_filled_again(workspace):
    arguments = made(workspace)
    commit(workspace, **arguments, clock=CLOCK)
    shutil.rmtree(workspace.lake)
    commit(workspace, **arguments, clock=CLOCK)
    assert len(rows(workspace, "FROM latest_assignments")) == 3


def test_settings_that_matter_make_another_run_and_the_workers_do_not(workspace):
    arguments = made(workspace)
    first = commit(workspace, **arguments)
    other = arguments["config"].model_copy(update={"partition": PartitionConfig(n_init=3)})
    assert (
        commit(workspace, **arguments | {"config": other}).facts["run_id"] != first.facts["run_id"]
    )
    elsewhere = arguments["config"].model_copy(update={"workspace": workspace.root / "x"})
    assert commit(workspace, **arguments | {"config": elsewhere}) == first


def test_a_method_file_is_recorded_by_its_name_and_not_its_path(workspace, tmp_path):
    made_from = made(workspace)
    path = tmp_path / "sharp.yaml"
    path.write_text("extends: cae\n")
    config = RunConfig(source="pets", n_clusters=2, method=str(path))
    commit(workspace, **{**made_from, "config": config})
    assert rows(workspace, "SELECT method FROM runs") == [("sharp",)]


def test_no_password_is_kept(workspace):
    run = commit(workspace, **made(workspace))
    assert "pass-w0rd" not in str(rows(workspace, "FROM runs"))
    assert "pass-w0rd" not in run.file(workspace, "run.json").read_text()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("s3://me:pw@host/x", "s3://me:***@host/x"),
        ("https://me:p:w@host:80/", "https://me:***@host:80/"),
        ("https://host:80/a@b", "https://host:80/a@b"),
        ("/folder/a:b@c", "/folder/a:b@c"),
    ],
)
def test_redact_hides_passwords_of_urls_only(text, kept):
    assert redact(text) == kept


def test_metrics_of_steps_are_named_by_role_and_only_numbers_are_metrics(workspace):
    facts = {"converged": True, "mean_weights": {"image": 0.5}, "sizes": [1], "error": float("nan")}
    part = artifact(workspace, "transport", {}, **facts, cost={"seconds": 2.0, "peak_mb": 9})
    assert step_metrics({"noun.transport": part, "caption.transport": part}) == {
        "seconds.noun.transport": 2.0,
        "peak_mb.noun.transport": 9.0,
        "noun.transport.converged": 1.0,
        "noun.transport.mean_weights.image": 0.5,
        "seconds.caption.transport": 2.0,
        "peak_mb.caption.transport": 9.0,
        "caption.transport.converged": 1.0,
        "caption.transport.mean_weights.image": 0.5,
    }


def test_the_facts_of_a_modality_are_named_once(workspace):
    part = artifact(workspace, "view", {}, title={"dim": 4, "n_present": 3}, cost={})
    figures = step_metrics({"view.title": part})
    assert figures["view.title.dim"] == 4 and figures["view.title.n_present"] == 3

"""Runs started, cancelled, retried and suspended as from Prefect's pages, on a real worker."""

import json
from pathlib import Path

import pytest

from flow_runs import FlowRun, filled_form
from grown import Collection
from sortal.configs.load import make_config
from sortal.configs.section import identity_of
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import active
from sortal.storage.workspace import Workspace

pytestmark = pytest.mark.timeout(600)
DEPLOYMENT = "recluster/on-demand"
LONG = {"partition.n_init": 1_000_000}


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Collection:
    """A collection that was sorted once, and has grown since."""
    pets = Collection(tmp_path_factory.mktemp("pets"))
    pets.add(cat=20, dog=20, boat=20)
    pets.run(3, method="kmeans")
    pets.add(cat=3, tree=12)
    pets.write_images()
    return pets


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _given(pets: Collection) -> dict:
    return {
        "source": f"vectors:{pets.root / 'pets'}",
        "n_clusters": 3,
        "workspace": str(pets.root / "workspace"),
    }


@pytest.fixture(scope="module")
def from_form(deployed, pets) -> FlowRun:
    """A finished run of Prefect's form, in which somebody chose another method."""
    form = filled_form(deployed, DEPLOYMENT, **_given(pets), method="kmeans")
    run = FlowRun(deployed, DEPLOYMENT, form)
    assert run.end()["type"] == "COMPLETED", deployed.logs()
    return run


def test_a_run_of_the_form_is_the_run_that_it_says(from_form, pets):
    assert set(from_form.row["parameters"]) >= {"method", "encoder", "seed", "settings"}
    with Lake(Workspace(pets.root / "workspace"), read_only=True) as lake:
        (row,) = lake.query("SELECT * FROM newest_run").to_pylist()
    assert row["method"] == "kmeans" and row["n_images"] == 75
    said = make_config(_given(pets) | {"method": "kmeans"})
    assert json.loads(row["config"]) == json.loads(json.dumps(identity_of(said)))


def test_its_tasks_have_names_that_say_what_they_do(from_form):
    names = from_form.tasks()
    assert {"scan images", "embed nouns", "embed captions", "find clusters", "publish"} <= set(
        names
    )
    assert not any(name.endswith(tuple("0123456789")) for name in names)


def test_its_log_has_our_lines(from_form):
    lines = from_form.lines("report at")
    assert any(line.startswith("previous run ") for line in lines)
    assert any(line.startswith("run ") and "report at /" in line for line in lines)
    assert sum("report at" in line for line in lines) == 1
    assert any("+15 new" in line for line in from_form.lines("+15 new"))


def test_it_shows_a_table_of_clusters_and_one_of_what_changed(from_form):
    shown = from_form.artifacts()
    clusters, changes = (json.loads(shown[kind]) for kind in ("clusters", "changes"))
    assert sum(row["images"] for row in clusters) == 75
    assert {"id", "name", "share", "nouns"} <= set(clusters[0])
    assert {row["id"] for row in clusters} <= {row["id"] for row in changes}
    assert "75 images in 3 clusters" in shown["report"] and "file:" not in shown["report"]


def test_a_run_that_fails_by_a_disks_fault_says_one_line_and_its_retry_keeps_what_is_done(
    deployed, pets
):
    workspace = pets.root / "workspace"
    for page in (workspace / "reports").iterdir():
        page.unlink()
    (workspace / "reports").rmdir()
    (workspace / "reports").write_text("a file in the folder's place")
    run = FlowRun(deployed, DEPLOYMENT, {**_given(pets), "seed": 4, "method": "kmeans"})
    state = run.end()
    assert state["type"] == "FAILED" and "reports" in state["message"]
    assert "\n" not in state["message"]
    run.service.wait_for(lambda: not _lives(int(run.row["infrastructure_pid"])))
    assert not any("Traceback" in line for line in run.lines())  # a busy server may lose the last

    (workspace / "reports").unlink()
    run.set_state("SCHEDULED", "AwaitingRetry")
    run.service.wait_for(lambda: run.row["run_count"] == 2)
    assert run.end()["type"] == "COMPLETED", deployed.logs()
    deployed.wait_for(lambda: {*run.tasks().values()} == {"Cached"}, run.tasks)  # told by events
    assert (workspace / "reports").is_dir()


def test_cancelling_ends_the_process_and_frees_the_lease(deployed, pets):
    run = FlowRun(deployed, DEPLOYMENT, {**_given(pets), "method": "kmeans", "settings": LONG})
    workspace = Workspace(pets.root / "workspace")
    run.wait_until("RUNNING")
    deployed.wait_for(lambda: active(workspace))
    pid = int(run.row["infrastructure_pid"])
    assert _lives(pid)
    run.set_state("CANCELLING", "Cancelling")
    assert run.end()["type"] == "CANCELLED"
    assert not _lives(pid)
    assert not active(workspace)


def test_a_suspended_run_ends_and_goes_on_when_it_is_resumed(deployed, pets):
    settings = {"partition.n_init": 1000}
    run = FlowRun(deployed, DEPLOYMENT, {**_given(pets), "method": "kmeans", "settings": settings})
    run.wait_until("RUNNING")
    pid = int(run.row["infrastructure_pid"])
    run.set_state("PAUSED", "Suspended", pause_reschedule=True)
    deployed.wait_for(lambda: not _lives(pid))
    assert run.state["name"] == "Suspended"
    deployed.post(f"/flow_runs/{run.id}/resume", {})
    assert run.end()["type"] == "COMPLETED"

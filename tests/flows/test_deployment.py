"""The wheel on a real Prefect server and process worker, in a project with packages like ours."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from crash import final_tables
from readme import service_lines
from service import Service
from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.storage.atomic import TEMPORARY
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from tiny_clip import tiny

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def nightly(deployed: Service, photos, tmp_path_factory):
    """The deployments of prefect.yaml; returns (service, parameters)."""
    workspace = tmp_path_factory.mktemp("deployed") / "workspace"
    parameters = {
        "source": str(photos),
        "n_clusters": 4,
        "method": "cae",
        "workspace": str(workspace),
        "settings": {"nouns.lexnames": ["noun.Tops"]},
    }
    return deployed, parameters


def _run(
    service: Service, parameters: dict, deployment: str = "recluster/nightly"
) -> dict[str, str]:
    """Run the deployment and wait; returns the state's name of every task run."""
    name = uuid.uuid4().hex  # the server plans runs of its own beside it
    line = service_lines()[-1].replace("recluster/nightly", deployment)
    service.type_in(f"{line} --params {shlex.quote(json.dumps(parameters))} --flow-run-name {name}")
    (flow,) = service.post("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
    assert flow["state"]["type"] == "COMPLETED", service.logs()
    tasks = service.post(
        "/task_runs/filter",
        {"flow_runs": {"id": {"any_": [flow["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"},
    )
    return {f"{number}:{task['name']}": task["state"]["name"] for number, task in enumerate(tasks)}


def _names(states: dict[str, str], state: str) -> list[str]:
    return [name.split(":")[1] for name, found in states.items() if found == state]


def _published(service: Service, run_id: str) -> list[dict]:
    """The news of a run that Prefect has been told."""
    wanted = {"filter": {"event": {"name": ["sortal.run.published"]}}}

    def found() -> list[dict]:
        events = service.post("/events/filter", wanted)["events"]
        return [event for event in events if event["payload"]["run_id"] == run_id]

    return service.wait_for(found)


def test_the_wheel_is_what_runs(service):
    code = "import sortal.flows.recluster, sys; print(sortal.flows.recluster.__file__)"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=service.folder, env=service.env, text=True,
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    assert shown.stdout.strip().startswith(service.env["PYTHONPATH"])


def test_damage_rebuilds_exactly_what_is_damaged_and_a_rerun_is_cached(nightly):
    service, parameters = nightly
    workspace = Workspace(Path(parameters["workspace"]))

    first = _run(service, parameters)
    assert set(first.values()) == {"Completed"}
    with Lake(workspace, read_only=True) as lake:
        (run_id,) = lake.execute("SELECT run_id FROM runs").fetchone()
        assert lake.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1}]
        assert len(lake.query("SELECT * FROM cluster_cards").to_pylist()) == 4

    assert len(_published(service, run_id)) == 1
    (names,) = (workspace.artifacts / "names").iterdir()
    (names / "clusters.parquet").write_bytes(b"not a table any more")
    (partition,) = (workspace.artifacts / "partition").iterdir()
    shutil.rmtree(partition)
    repaired = _run(service, parameters)
    assert len(_published(service, run_id)) == 1  # what the automation "nothing new" goes by
    assert sorted(_names(repaired, "Completed")) == ["find clusters", "name clusters"]
    with Lake(workspace, read_only=True) as lake:
        assert lake.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1}]

    # A rerun is cached, and maintenance takes nothing that it needs.
    settings = {"workspace": str(workspace.root), "grace_days": 0, "keep_snapshots_days": 0}
    _run(service, settings, "maintain/maintenance")
    after = _run(service, parameters, "recluster/on-demand")
    assert set(after.values()) == {"Cached"} and len(after) == len(first)


@pytest.fixture(scope="module")
def few(photos, tmp_path_factory) -> Path:
    """A folder of few pictures, with captions and an encoder of random weights beside it."""
    root = tmp_path_factory.mktemp("few")
    (root / "pictures").mkdir()
    for picture in sorted(photos.rglob("*.png"))[::8]:
        shutil.copy(picture, root / "pictures")
    (root / "captions.txt").write_text("".join(f"a drawing of {n} things\n" for n in range(20)))
    tiny(root / "tiny")
    return root


def _settings(few: Path, workspace: Path) -> dict:
    """What both the command and the flow's function are given."""
    return {
        "source": str(few / "pictures"),
        "n_clusters": 3,
        "workspace": workspace,
        "captions": {"source": str(few / "captions.txt")},
        "encoder": {"spec": f"open_clip:local-dir:{few / 'tiny'}"},
    }


NOUNS = "nouns.lexnames=[noun.Tops]"


def _cluster(service: Service, few: Path, workspace: Path, fault: str = "") -> subprocess.Popen:
    """`sortal cluster` as a user types it, on the running server."""
    values = _settings(few, workspace)
    arguments = ["cluster", values["source"], "-k", "3", "--workspace", str(workspace)]
    arguments += ["--captions", values["captions"]["source"], "--set", NOUNS]
    arguments += ["--encoder", values["encoder"]["spec"]]
    return subprocess.Popen(
        [sys.executable, "-c", "from sortal.flows.cli.app import main; main()", *arguments],
        cwd=service.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**service.env, "SORTAL_TESTING": "1", "SORTAL_FAULT": fault},
    )  # fmt: skip


def test_of_two_commands_one_runs_and_after_kill_9_amid_its_commit_the_next_goes_on(
    service, few, tmp_path
):
    """The holder stops inside the transaction that publishes, and is killed there."""
    workspace = Workspace(tmp_path / "workspace")
    with _cluster(service, few, workspace.root, "STOP lake.written") as holder:
        _, status = os.waitpid(holder.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), holder.communicate()
        second = _cluster(service, few, workspace.root)
        _, output = second.communicate(timeout=300)
        assert second.returncode == 1, output
        (line,) = [line for line in output.splitlines() if line.startswith("sortal: ")]
        assert f"process {holder.pid} on" in line and "one run" in line
        holder.kill()
    third = _cluster(service, few, workspace.root)
    out, output = third.communicate(timeout=300)
    assert third.returncode == 0, output
    with Lake(workspace, read_only=True) as lake:
        assert lake.execute("SELECT run_id FROM runs").fetchall() == [(out.split()[-1],)]
    assert not list(workspace.root.rglob(f"{TEMPORARY}*"))
    undisturbed = Workspace(tmp_path / "undisturbed")
    recluster.fn(make_config(_settings(few, undisturbed.root), [NOUNS]))
    assert final_tables(workspace) == final_tables(undisturbed)


def test_the_schedules_are_those_of_the_file(deployed):
    service = deployed
    found = service.post("/deployments/filter", {})
    crons = {each["name"]: [one["schedule"]["cron"] for one in each["schedules"]] for each in found}
    assert crons == {"nightly": ["15 2 * * *"], "on-demand": [], "maintenance": ["30 5 * * 0"]}


def test_the_server_plans_the_nights_to_come(deployed):
    service = deployed
    of_nightly = {"deployments": {"name": {"any_": ["nightly"]}}}
    planned = service.wait_for(
        lambda: service.post(
            "/flow_runs/filter",
            {**of_nightly, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}},
        )
    )
    assert {run["expected_start_time"][11:16] for run in planned} == {"02:15"}
    assert all(run["auto_scheduled"] for run in planned)


SECRET = """
import json, sys
from prefect.blocks.system import Secret
from sortal.configs.modalities import OpenAiConfig
from sortal.configs.errors import UsageError
from sortal.tasks.chat.credentials import credentials

asked = OpenAiConfig(model="any", secret_block="captions")
try:
    credentials(asked)
except UsageError as error:
    print(error)
Secret(value=json.dumps(dict(base_url="http://models:8000/v1", api_key="k-12345"))).save("captions")
found = credentials(asked)
print(found, found.key, found.hide("said k-12345"))
"""


def test_a_captioning_servers_key_may_come_from_a_secret_block_of_prefects(service):
    done = subprocess.run(
        [sys.executable, "-c", SECRET], cwd=service.folder, env=service.env,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    missing, found = done.stdout.splitlines()
    assert "must name a Prefect secret block, got 'captions'" in missing
    assert found == "Credentials(host='models:8000') k-12345 said ***"

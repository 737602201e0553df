"""The automations of deploy/ on a real server, with real receivers of webhooks and of e-mail."""

import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from receivers import MailReceiver, WebReceiver
from service import ROOT, Service

pytestmark = pytest.mark.timeout(600)
SILENT = 10  # seconds, the least that Prefect takes


@pytest.fixture(scope="module")
def mails():
    receiver = MailReceiver()
    yield receiver.got, receiver.port
    receiver.close()


@pytest.fixture(scope="module")
def mailer(mails):
    """deploy/mail.py before the mail server; its address."""
    command = [sys.executable, str(ROOT / "deploy/mail.py"), "--port", "0"]
    command += ["--smtp", f"127.0.0.1:{mails[1]}", "--to", "ops@example.org"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait()


def automate(service: Service, url: str, quiet_days: float = 7) -> list[str]:
    command = [sys.executable, str(ROOT / "deploy/automations.py"), "--webhook", url]
    command += ["--silent", str(SILENT), "--starting", str(SILENT)]
    command += ["--quiet-days", str(quiet_days)]
    done = subprocess.run(
        command, cwd=service.folder, env=service.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def told(service: Service):
    """What the webhook has been told."""
    receiver = WebReceiver()
    first = automate(service, receiver.url)
    again = automate(service, receiver.url, quiet_days=SILENT / 86400)
    assert first == again and len(first) == 6
    found = service.post("/automations/filter", {})
    ours = [it["name"] for it in found if it["name"].startswith("sortal")]
    assert sorted(ours) == sorted(first)  # made once, then brought up to date
    yield receiver.got
    receiver.close()
    for each in service.post("/automations/filter", {}):  # other tests' runs may take longer
        if each["name"].startswith("sortal"):
            service.delete(f"/automations/{each['id']}")


def flow_run(service: Service, tags: tuple[str, ...] = ("sortal",)) -> tuple[str, str]:
    """A run as a worker has made it: its id and its name."""
    flow = service.post("/flows/", {"name": "recluster"})
    name = f"run-{uuid.uuid4().hex[:6]}"
    run = service.post("/flow_runs/", {"flow_id": flow["id"], "name": name, "tags": list(tags)})
    return run["id"], name


def set_state(service: Service, run: str, kind: str, **more: str) -> None:
    service.post(f"/flow_runs/{run}/set_state", {"state": {"type": kind, **more}, "force": True})


def about(told: list[dict], name: str) -> list[str]:
    return [it["event"].rpartition(".")[2] for it in told if it["run"] == name]


def test_a_run_that_fails_is_told_of_once_and_another_project_is_not(service, told):
    run, name = flow_run(service)
    other, _ = flow_run(service, tags=())
    for each in (other, run):
        set_state(service, each, "FAILED", message='no "room": disk\nfull')
    service.wait_for(lambda: about(told, name))
    (call,) = [it for it in told if it["run"] == name]
    assert call["subject"] == "Sortal: run failed"
    assert 'no "room": disk' in call["text"]
    assert {it["run"] for it in told if it["event"].endswith("Failed")} == {name}


def test_a_run_whose_worker_died_becomes_crashed_and_is_told_of(service, told):
    """Heartbeats that end, which is all that a dead machine shows."""
    run, name = flow_run(service)
    set_state(service, run, "RUNNING")
    tag = {"prefect.resource.id": "prefect.tag.sortal", "prefect.resource.role": "tag"}
    beat = {
        "event": "prefect.flow-run.heartbeat",
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "related": [tag],
    }
    service.post("/events", [beat])
    service.wait_for(lambda: about(told, name))
    assert about(told, name) == ["Crashed"]


def test_a_run_whose_worker_died_before_it_began_is_due_again(service, told):
    run, _ = flow_run(service)
    set_state(service, run, "PENDING", name="Submitting")
    wanted = {"flow_runs": {"id": {"any_": [run]}, "state": {"type": {"any_": ["SCHEDULED"]}}}}
    (found,) = service.wait_for(lambda: service.post("/flow_runs/filter", wanted))
    assert found["state"]["message"] == "its worker is gone"


def test_a_run_that_no_worker_takes_is_told_of(service, told):
    run, name = flow_run(service)
    due = datetime.now(UTC) - timedelta(minutes=5)
    details = {"scheduled_time": due.isoformat()}
    set_state(service, run, "SCHEDULED", name="Scheduled", state_details=details)
    service.wait_for(lambda: about(told, name))
    assert about(told, name) == ["Late"]


def test_nothing_new_for_the_given_time_is_told(service, told):
    assert service.wait_for(lambda: [it for it in told if it["event"] == "sortal.nothing-new"])


def test_a_mail_is_sent(service, told, mailer, mails):
    automate(service, mailer)
    run, name = flow_run(service)
    set_state(service, run, "FAILED", message="on purpose")
    (mail,) = service.wait_for(lambda: [it for it in mails[0] if name in it])
    assert "To: ops@example.org" in mail and "Subject: Sortal: run failed" in mail
    assert "on purpose" in mail

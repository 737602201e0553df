"""What a flow shows and heeds on a real server: progress, tables, pauses, failures in one line."""

import contextvars
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Abort
from prefect.settings import PREFECT_API_URL
from prefect.settings.context import temporary_settings
from prefect.states import Cancelled, Paused, Running

from service import Service
from sortal.flows import deployed
from sortal.flows.pages import pause
from sortal.flows.pages.artifacts import post_table, post_text
from sortal.tasks import published_progress
from sortal.tasks.progress import progress


@pytest.fixture(autouse=True)
def server(service: Service) -> Iterator[Service]:
    with temporary_settings({PREFECT_API_URL: service.url}):
        yield service


def _run_id() -> str:
    return str(FlowRunContext.get().flow_run.id)


def _artifacts(server: Service, run: str) -> list[dict]:
    asked = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    return server.post("/artifacts/filter", asked)


def test_long_work_publishes_its_progress_and_where_it_ended(server, monkeypatch):
    monkeypatch.setattr(published_progress, "_EVERY", 0.01)

    @flow
    def work() -> str:
        with progress("embedding images", 200, "images") as advance:
            advance(50)
            server.wait_for(lambda: _artifacts(server, _run_id()))
            advance(150)
        return _run_id()

    (shown,) = _artifacts(server, work())
    assert (shown["type"], shown["description"]) == ("progress", "embedding images")
    assert float(shown["data"]) == 100.0


def test_work_that_is_done_at_once_publishes_none(server):
    @flow
    def work() -> str:
        with progress("embedding images", 200, "images") as advance:
            advance(200)
        return _run_id()

    assert _artifacts(server, work()) == []


def test_a_server_that_is_away_stops_neither_progress_nor_artifacts(server, monkeypatch):
    monkeypatch.setattr(published_progress, "_EVERY", 0.01)
    monkeypatch.setattr(published_progress, "_PATIENCE", 0.01)
    done = []

    @flow
    def work() -> None:
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
            with progress("embedding images", 3, "images") as advance:
                for _ in range(3):
                    advance(1)
            post_text("report", "pets", "text", "about")
            post_table("clusters", "pets", [{"id": 1}], "about")
        done.append(True)

    work()
    assert done


def test_names_of_two_collections_are_two_artifacts(server):
    @flow
    def work() -> str:
        for name in ("写真", "фото", "pets", "pets!"):
            post_text("report", name, "text", name)
        return _run_id()

    keys = {shown["key"] for shown in _artifacts(server, work())}
    assert len(keys) == 4 and "report-pets" in keys


@pytest.mark.parametrize("after", [Running, Cancelled])
def test_a_paused_run_waits_until_it_is_resumed_or_ended(monkeypatch, after):
    """It has seen the pause before the state is changed, and returns by that change alone."""
    monkeypatch.setattr(pause, "_ASK", 0.05)
    monkeypatch.setattr(pause, "_asked", float("-inf"))
    read, held = pause._state, threading.Event()

    def noted():
        state = read()
        if state.is_paused():
            held.set()
        return state

    monkeypatch.setattr(pause, "_state", noted)

    def change(run) -> None:
        assert held.wait(60)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run, after(), force=True)

    @flow
    def work() -> None:
        run = FlowRunContext.get().flow_run.id
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run, Paused(timeout_seconds=300), force=True)
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(change, run))
        thread.start()
        with pytest.raises(Abort) if after is Cancelled else nullcontext():
            pause.wait_while_paused()
        assert held.is_set()
        thread.join()

    work()


def test_a_mistake_is_the_failed_states_message(tmp_path):
    state = deployed.recluster(
        str(tmp_path), 3, workspace=str(tmp_path / "w"), settings={"transport.epsilom": 1},
        return_state=True,
    )  # fmt: skip
    assert state.is_failed()
    assert state.message == "unknown setting transport.epsilom; did you mean transport.epsilon?"


STUCK = """
import hashlib, signal
from sortal.flows.pages import cancel
cancel._PATIENCE = 0.2
signal.signal(signal.SIGTERM, lambda *_: None)  # Prefect has one: it waits for the call to end
with cancel.ended_when_told():
    print("computing", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2_000_000_000)
"""


def test_a_process_deep_in_a_library_ends_when_it_is_told_to():
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE) as stuck:
        assert stuck.stdout.readline() == b"computing\n"
        stuck.terminate()
        assert stuck.wait(120) == -9

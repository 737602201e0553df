"""A Prefect server and a worker of their own, for trials that kill and restart them."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

HEARTBEAT = 30  # seconds between a run's signs of life


class Service:
    """The server and the worker, each in a session of its own, restarted at will."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder, self.url = folder, f"http://127.0.0.1:{self.port}/api"
        self.env = {
            **os.environ,
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
            "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "PT1H",
        }
        self.running: dict[str, psutil.Process] = {}

    def start(self, name: str) -> None:
        """Start the server or the worker, and wait for the server."""
        commands = {
            "server": ["server", "start", "--host", "127.0.0.1", "--port", str(self.port)],
            "worker": ["worker", "start", "--pool", "sortal", "--name", "soak"],
        }
        log = (self.folder / f"{name}.log").open("ab")
        command = [sys.executable, "-m", "prefect", *commands[name]]
        started = subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdout=log, stderr=log, start_new_session=True
        )
        self.running[name] = psutil.Process(started.pid)
        if name == "server":
            until(self._answers, 300, "the server answers")

    def kill(self, name: str, whole: bool) -> None:
        """kill -9, with everything that it has started when `whole`."""
        process = self.running.pop(name)
        for each in [*(process.children(recursive=True) if whole else []), process]:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait(30)

    def stop(self) -> None:
        """End both."""
        for name in ("worker", "server"):
            if name in self.running:
                self.kill(name, whole=True)

    def memory(self) -> dict[str, float]:
        """MB of the server and of the worker, without the runs that it has started."""
        found = {}
        for name, process in list(self.running.items()):
            try:
                whole = [process, *process.children(recursive=True)] if name == "server" else []
                found[name] = sum(each.memory_info().rss for each in whole or [process]) / 1e6
            except psutil.NoSuchProcess:
                continue
        return found

    def prefect(self, *arguments: str) -> None:
        """One command of Prefect's."""
        self.run(sys.executable, "-m", "prefect", *arguments)

    def run(self, *command: str) -> str:
        """What a command prints; raises RuntimeError when it fails."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers to a POST of JSON."""
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def runs(self) -> list[dict[str, Any]]:
        """The runs of the schedule that are due, the earliest first."""
        filters = {"flow_runs": {"tags": {"all_": ["sortal"]}}, "limit": 200}
        found, page = [], [{}]
        while page:
            body = {**filters, "offset": len(found), "sort": "EXPECTED_START_TIME_ASC"}
            page = self.post("/flow_runs/filter", body)
            found += page
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return [run for run in found if run["expected_start_time"][:19] <= now]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def until(found: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until `found()`; raises RuntimeError after `seconds`."""
    end = time.monotonic() + seconds
    while not found():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(1)

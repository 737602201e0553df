"""What `sortal up` does: it starts everything, waits, and leaves nothing behind."""

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from sortal.configs import REPORTS_VARIABLE
from sortal.configs.errors import RunError
from sortal.flows.process.first_database import make_first_database
from sortal.flows.process.proxies import reach_this_machine_directly
from sortal.flows.service.deployments import POOL
from sortal.flows.service.ports import HOST, choose
from sortal.flows.service.reports import served
from sortal.storage.processes import end, this_process
from sortal.storage.workspace import Workspace

_START_UP = 180.0  # seconds that Prefect's server may take on a busy machine
_POLL = 0.3
_GRACE = 5.0  # seconds for each program to end by itself


class _Program(NamedTuple):
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Service:
    """Prefect's server on this machine, with all of its data in a folder, and what it needs."""

    def __init__(self, folder: Path, port: int, reports: str) -> None:
        self.folder = folder
        self.page = f"http://{HOST}:{port}"
        self.api = f"{self.page}/api"
        self.reports = reports
        self._programs: list[_Program] = []
        self._port = str(port)
        self._home = folder / "prefect"

    def start_server(self) -> None:
        """Start Prefect's server and return when it answers; raises RunError when it ends."""
        reach_this_machine_directly()
        make_first_database(self._home)
        program = self._start("server", "start", "--host", HOST, "--port", self._port)
        end = time.monotonic() + _START_UP
        while time.monotonic() < end:
            _check(program)
            health = f"{self.api}/health"
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(health):
                return
            time.sleep(_POLL)
        raise RunError(f"Prefect's server must answer in {_START_UP:.0f} s; see {program.log}")

    def work(self) -> None:
        """Start the worker, and raise RunError when it or the server has ended."""
        self._start("worker", "start", "--pool", POOL)
        while True:
            for program in self._programs:
                _check(program)
            time.sleep(_POLL)

    def end(self) -> None:
        """End the worker, with the runs that it has begun, and then the server."""
        for program in reversed(self._programs):
            end(program.process, _GRACE)

    def _start(self, name: str, *arguments: str) -> _Program:
        log = self.folder / f"{name}.log"
        program = [sys.executable, "-u", "-m", "sortal.flows.service.child", str(this_process())]
        command = [*program, "prefect", name, *arguments]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self._environment(), start_new_session=True,
            )  # fmt: skip
        self._programs.append(_Program(name, process, log))
        return self._programs[-1]

    def _environment(self) -> dict[str, str]:
        """Of a program and what it starts: this server, and none of the user's settings."""
        others = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        return others | {
            "PREFECT_HOME": str(self._home),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self.folder / "pages"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "5",
            REPORTS_VARIABLE: self.reports,
        }


@contextmanager
def service(workspace: Workspace, port: int | None) -> Iterator[Service]:
    """The service of a workspace, its server running; all of it ends with the body.

    Raises RunError: the workspace has one already, the port is taken, the server does not start.
    """
    folder = workspace.root / "service"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder) as note:
        chosen = choose(port)
        with served(workspace.reports, chosen) as reports:
            found = Service(folder, chosen, reports)
            json.dump({"pid": os.getpid(), "page": found.page}, note)
            note.flush()
            try:
                found.start_server()
                yield found
            finally:
                found.end()


@contextmanager
def _alone(folder: Path) -> Iterator[IO[str]]:
    """Hold the folder's lock; raises RunError, naming the other's page, where another holds it."""
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        file.seek(0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"`sortal up` must be alone in a workspace, and runs in {folder.parent} already"
                f"{_who(file.read())}; use that, or end it first"
            ) from None
        file.truncate(0)
        yield file


def _who(note: str) -> str:
    with suppress(ValueError, KeyError):
        other = json.loads(note)
        return f", as process {other['pid']} with its page at {other['page']}"
    return ""


def _check(program: _Program) -> None:
    if program.process.poll() is not None:
        lines = program.log.read_text("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        raise RunError(
            f"Prefect's {program.name} has ended, and said last: {last}; see {program.log}"
        )

"""Prefect's temporary server, started while other work is done, out of reach of the terminal.

Prefect would start one by itself, but only when a flow begins, and imports the whole server into
this process for it: 4 s of a first run's start.
"""

import atexit
import http.client
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from sortal.configs.errors import RunError
from sortal.storage.processes import end, this_process
from sortal.tasks.published_progress import nobody_looks_at

_POLL, _TRIES = 0.05, 3
_PORT_TAKEN = "address already in use"
_ERROR = re.compile(rf"[\w.]+(Error|Exception|Exit): |.*{_PORT_TAKEN}")
_PATIENCE = 5.0  # seconds for its end
_ROLE = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


class TemporaryServer:
    """A server for this process's flows alone; it ends with the process."""

    def __init__(self, environment: dict[str, str], patience: float) -> None:
        """Start it with these variables; `wait` gives it `patience` seconds to answer."""
        self._environment, self._patience = {**environment, **_ROLE}, patience
        self._started = time.monotonic()
        self._start()
        atexit.register(self.stop)

    def _start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the server fails
        child = [sys.executable, "-P", "-m", "sortal.flows.service.child", str(this_process())]
        self._process = subprocess.Popen(
            [*child, "sortal.flows.process.prefect_server", str(port)], env=self._environment,
            stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, start_new_session=True,
        )  # fmt: skip

    @property
    def lives(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Return once it answers. Raises RunError, with what it said last, where it does not."""
        for _ in range(_TRIES):
            if self._answers():
                return
            reason = self._reason()
            if _PORT_TAKEN not in reason:
                break
            self._start()
        home = self._environment.get("PREFECT_HOME", "~/.prefect")
        raise RunError(
            f"Prefect's temporary server must start, got: {reason}; if its database is damaged, "
            f"move {home}/prefect.db away, else see what `sortal doctor` finds"
        )

    def _answers(self) -> bool:
        """Whether it answers before its process ends; raises RunError when time is up."""
        while self.lives:
            if self._is_healthy():
                return True
            if time.monotonic() - self._started > self._patience:
                raise RunError(
                    f"Prefect's temporary server must answer within {self._patience:g} s, got "
                    "nothing; try again when the machine is less busy, or start a server of your "
                    "own: sortal up"
                )
            time.sleep(_POLL)
        return False

    def _is_healthy(self) -> bool:
        """Whether it says that it is well. Asked often, so by a client that costs nothing."""
        address = urlsplit(self.url)
        place = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=self._patience
        )
        with closing(place) as connection:
            try:
                connection.request("GET", f"{address.path}/health")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def _reason(self) -> str:
        """The last error that it printed, in one line."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        errors = [line.strip() for line in lines if _ERROR.match(line)]
        said = errors or [line.strip() for line in lines if line.strip()]
        return said[-1] if said else f"exit status {self._process.poll()}"

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        end(self._process, _PATIENCE)


def use(server: TemporaryServer) -> None:
    """Have this process's flows talk to `server`.

    They tell it of no heartbeats, whose end a flow awaits for up to a second: it ends with them.
    """
    import prefect.context
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY

    nobody_looks_at(server.url)
    found: Any = prefect.context.GLOBAL_SETTINGS_CONTEXT
    updates = {PREFECT_API_URL: server.url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    settings = found.settings.copy_with_update(updates=updates)
    prefect.context.GLOBAL_SETTINGS_CONTEXT = found.model_copy(update={"settings": settings})

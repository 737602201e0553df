"""A real Prefect server with a process worker, run from a project with packages like ours."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sortal.flows.process.first_database import make_first_database

ROOT = Path(__file__).resolve().parents[2]
START_UP = 120  # seconds a server or a worker may take on two busy cores
NAMES = ("flows", "tasks", "storage", "configs")


def own_packages(folder: Path) -> Path:
    """Give a folder packages of its own that have the names of ours, and fail when imported."""
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for module in ("__init__", "step", "schema", "recluster", "workspace"):
            text = f"raise RuntimeError('the project imported its own {name}.{module}')\n"
            (folder / name / f"{module}.py").write_text(text)
    return folder


class Service:
    """A Prefect server with a worker, and the environment that reaches both."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.folder = own_packages(folder)  # nothing of the checkout is beside it
        self.url = f"http://127.0.0.1:{port}/api"
        self.env = {
            **os.environ,
            "PYTHONPATH": str(wheel),
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONFAULTHANDLER": "1",  # a process that dies says where
        }
        make_first_database(folder / "home")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("server", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        self._wait(lambda: self._answers("/health"), "server")

    def prefect(self, *arguments: str, timeout: int = 300) -> str:
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def type_in(self, line: str) -> None:
        """Run a line as a shell does whose PATH begins with the folder of our programs."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env={**self.env, "PATH": path},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()

    def start_worker(self, pool: str) -> None:
        self._start("worker", "worker", "start", "--pool", pool, "--name", "tester")
        self._wait(lambda: self._workers(pool), "worker")

    def get(self, path: str) -> dict:
        return self._answer(urllib.request.Request(self.url + path))

    def post(self, path: str, body: dict) -> Any:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._answer(urllib.request.Request(self.url + path, data, headers))

    def delete(self, path: str) -> None:
        self._answer(urllib.request.Request(self.url + path, method="DELETE"))

    def _answer(self, request: urllib.request.Request) -> Any:
        """Ask again while the server's database is busy, as Prefect's own client does."""
        end = time.monotonic() + START_UP
        while True:
            try:
                with urllib.request.urlopen(request, timeout=START_UP) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as error:
                assert error.code == 503 and time.monotonic() < end, error.read()
                time.sleep(1)

    def wait_for(self, found, missed=lambda: ""):
        """What `found()` returns, once that is not empty; `missed()` says what came instead."""
        end = time.monotonic() + START_UP
        while not (result := found()):
            assert time.monotonic() < end, f"{missed()}\n{self.logs()[-5000:]}"
            time.sleep(0.5)
        return result

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, *arguments: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "prefect", *arguments]
        self._processes.append(
            subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=log, stderr=log)
        )

    def _wait(self, ready, name: str) -> None:
        end = time.monotonic() + START_UP
        while not ready():
            assert self._processes[-1].poll() is None, self.logs()
            assert time.monotonic() < end, f"{name} did not start:\n{self.logs()}"
            time.sleep(0.5)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _workers(self, pool: str) -> bool:
        return bool(self.post(f"/work_pools/{pool}/workers/filter", {}))

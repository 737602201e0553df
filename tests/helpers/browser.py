"""A real Chromium without a window, told what to do over its DevTools socket."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip


class Browser:
    """One page of a browser; what it logs and fails to load is in `complaints`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self._tell(f"{domain}.enable")

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Show a file in a window of so many pixels, until all of it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", **size)
        self._tell("Page.navigate", url=page.as_uri())
        while self._heard()["method"] != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is on the page."""
        answer = self._tell("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"]["value"]

    def _tell(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (answer := self._heard()).get("id") != self._number:
            pass
        return answer["result"]

    def _heard(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv(timeout=60))
        if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(message["params"]))
        return {"method": "", **message}


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser that ends with the block; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = subprocess.Popen(
            [program, f"--user-data-dir={folder}", *OPTIONS],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with connect(_socket_of(Path(folder)), max_size=None) as socket:
                yield Browser(socket)
        finally:
            running.terminate()
            running.wait(20)


def _socket_of(folder: Path) -> str:
    """The address of the socket of the one page that there is."""
    end = time.monotonic() + 60
    while True:
        assert time.monotonic() < end, "Chromium did not start"
        time.sleep(0.05)
        try:
            port = (folder / "DevToolsActivePort").read_text().splitlines()[0]
            pages = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
        except (OSError, IndexError, httpx.HTTPError):
            continue
        for page in pages:
            if page["type"] == "page":
                return page["webSocketDebuggerUrl"]

"""A real Chromium without a window, told what to do over its DevTools socket."""

import base64
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
    "--disable-background-networking", "--remote-debugging-port=0", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "about:blank",
)  # fmt: skip
CODES = {"Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}


class Browser:
    """One page of a browser.

    What it logs and fails to load is in `complaints`, every address it asked for in `requests`.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self._loaded = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._tell(f"{domain}.enable")

    def open(self, page: Path | str, width: int, height: int = 900) -> None:
        """Show a file or an address in a window of so many pixels, until all of it is loaded."""
        self.resize(width, height)
        self._loads("Page.navigate", url=page if isinstance(page, str) else page.as_uri())

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window so many pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", **size)

    def scheme(self, name: str) -> None:
        """Prefer `light` or `dark` from now on."""
        self._tell("Emulation.setEmulatedMedia",
                   features=[{"name": "prefers-color-scheme", "value": name}])  # fmt: skip

    def click(self, selector: str) -> None:
        """Click in the middle of the first element of a selector, with a real pointer."""
        script = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        x, y = self.value(script)
        self.drag([(x, y)])

    def drag(self, path: list[tuple[float, float]]) -> None:
        """Press the pointer at the first place, move it along the others, and let go."""
        self.point(*path[0])
        for kind, (x, y) in [("mousePressed", path[0]), *(("mouseMoved", p) for p in path[1:]),
                             ("mouseReleased", path[-1])]:  # fmt: skip
            self._tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
                       buttons=1, clickCount=1)  # fmt: skip

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self._tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._tell("Input.insertText", text=text)

    def press(self, key: str, control: bool = False) -> None:
        """Press a key: a letter, or a name in CODES."""
        named = key in CODES
        code = {"windowsVirtualKeyCode": CODES[key]} if named else {}
        code |= {"modifiers": 2} if control else {}
        text = {"Enter": "\r"}.get(key, "" if named else key)
        self._tell("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, **code)
        self._tell("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def choose(self, selector: str, file: Path) -> None:
        """Give a file to a field for files."""
        root = self._tell("DOM.getDocument")["root"]["nodeId"]
        node = self._tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._tell("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def until(self, expression: str) -> Any:
        """Wait until an expression of JavaScript is true on the page, for a minute at the most.

        While a page comes, what is on it may be missing.
        """
        end = time.monotonic() + 60
        tried = f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"
        while not (found := self.value(tried)):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)
        return found

    def shot(self, file: Path) -> None:
        """Write what the window shows as a PNG file."""
        data = self._tell("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(data))

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is on the page; a promise is waited for."""
        answer = self._tell(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _loads(self, method: str, **params: Any) -> None:
        before = self._loaded
        self._tell(method, **params)
        while self._loaded == before:
            self._heard()

    def _tell(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (answer := self._heard()).get("id") != self._number:
            pass
        return answer["result"]

    def _heard(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv(timeout=60))
        self._loaded += message.get("method") == "Page.loadEventFired"
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
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

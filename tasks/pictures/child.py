"""The other side of `helper`: pictures of the extra's formats, decoded in a limited process."""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from sortal.tasks.errors import Code, ImageError

_SECONDS, _BYTES_PER_SECOND = 9.0, 4_000_000  # time for a picture: some, and more for a large one
_PATH = Path(__file__).with_name("helper.py")


class Child:
    """A helper process, started when it is first needed and again after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # a forked copy of this process must not share the pipes
        self._memory = 0
        self._lock = threading.Lock()

    def ask(
        self, op: str, kind: str, data: bytes, limits: tuple[int, int]
    ) -> tuple[dict[str, Any], bytes]:
        """What the helper says of a file; raises ImageError.

        `op` is `header` or `picture`, `limits` are pixels and bytes of memory.
        """
        request = {"op": op, "kind": kind, "bytes": len(data), "max_pixels": limits[0]}
        with self._lock:
            facts, body = self._exchange(json.dumps(request).encode() + b"\n", data, limits[1])
        if "error" in facts:
            raise ImageError(facts["code"], facts["error"][:200])
        return facts, body

    def stop(self) -> None:
        """End the process."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
        self._process = None

    def _exchange(self, line: bytes, data: bytes, memory: int) -> tuple[dict[str, Any], bytes]:
        process = self._running(memory)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        seconds = _SECONDS + len(data) / _BYTES_PER_SECOND
        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            assert process.stdin and process.stdout
            process.stdin.write(line)
            process.stdin.write(data)
            process.stdin.flush()
            facts = json.loads(process.stdout.readline())
            body = process.stdout.read(facts["bytes"])
            if len(body) < facts["bytes"]:
                raise EOFError
            return facts, body
        except (OSError, ValueError, EOFError) as error:
            self.stop()
            why = f"takes longer than {seconds:.0f} s" if late.is_set() else "crashes"
            raise ImageError(Code.DAMAGED, f"its decoder {why} on these bytes") from error
        finally:
            timer.cancel()

    def _running(self, memory: int) -> subprocess.Popen[bytes]:
        mine = self._process is not None and self._owner == os.getpid()
        if not mine or self._memory != memory or self._process.poll() is not None:  # type: ignore[union-attr]
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PATH), str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
            self._owner, self._memory = os.getpid(), memory
            atexit.register(self.stop)
        assert self._process is not None
        return self._process


class Children:
    """Helper processes, as many as threads have asked at the same time."""

    def __init__(self) -> None:
        self.idle: list[Child] = []  # the last one is asked first

    def ask(
        self, op: str, kind: str, data: bytes, limits: tuple[int, int]
    ) -> tuple[dict[str, Any], bytes]:
        """As `Child.ask`."""
        try:
            child = self.idle.pop()
        except IndexError:
            child = Child()
        try:
            return child.ask(op, kind, data, limits)
        finally:
            self.idle.append(child)


CHILDREN = Children()

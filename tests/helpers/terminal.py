"""A command in a real terminal of its own, which can press Ctrl-C or be closed."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

SORTAL = [sys.executable, "-m", "sortal"]
_MARK = "SORTAL_TRIAL"
_LIMIT = 120  # seconds until something must have happened on a busy machine


class Terminal:
    """A pseudo-terminal with a session of its own, in which `command` is the foreground group."""

    def __init__(self, command: list[str], cwd: Path, **environment: str) -> None:
        self.mark = uuid.uuid4().hex
        self._master, slave = pty.openpty()
        self.output = b""
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **environment, _MARK: self.mark},
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=_own_terminal,  # noqa: PLW1509
        )  # fmt: skip
        os.close(slave)

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")

    def read(self, seconds: float) -> bool:
        """Read what is printed for so long; False once the terminal is closed on the other side."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                try:
                    got = os.read(self._master, 65536)
                except OSError:  # nobody has it open any more
                    got = b""
                if not got:
                    return False
                self.output += got
        return True

    def until(self, happened) -> None:
        """Read until `happened()`, also when all is read: processes may take a moment to end."""
        end = time.monotonic() + _LIMIT
        while not happened():
            assert time.monotonic() < end, self.text[-2000:]
            if not self.read(0.02):
                time.sleep(0.02)

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def close(self) -> None:
        os.close(self._master)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, seconds: float = _LIMIT) -> tuple[int, float]:
        """Exit code, and seconds until the process had ended."""
        start = time.monotonic()
        while (code := self.process.poll()) is None:
            assert time.monotonic() - start < seconds, self.text[-2000:]
            if not self.read(0.02):
                code = self.process.wait(seconds)
                break
        self.read(0.02)  # what it said last, where this process was not looking
        return code, time.monotonic() - start

    def left(self) -> list[str]:
        """Command lines of processes of this terminal that are still there."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() not in (place / "environ").read_bytes():
                    continue
                state = (place / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


def _own_terminal() -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

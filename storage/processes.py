"""Which process made something, whether it surely is gone, and what it leaves when it is."""

import ctypes
import hashlib
import os
import platform
import signal
import subprocess
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

_LOOK = 0.5  # seconds between two looks at whether a parent still lives
_SET_CHILD_SUBREAPER = 36  # of prctl(2)


class Process(NamedTuple):
    """A process: its machine (a short hash), its number, and when it was born (a short hash)."""

    machine: str
    pid: int
    born: str

    @classmethod
    def parse(cls, text: str) -> "Process":
        """The one that `str` gave for it; ValueError for another text."""
        machine, pid, born = text.split("-")
        return cls(machine, int(pid), born)

    def __str__(self) -> str:
        return f"{self.machine}-{self.pid}-{self.born}"


def this_process() -> Process:
    """The process that asks."""
    return _this(os.getpid())  # by number, as a fork is another process


@cache
def _this(pid: int) -> Process:
    return Process(_machine(), pid, _born(pid))


def is_gone(process: Process) -> bool:
    """Whether it ran on this machine and no longer does; False whenever that cannot be known."""
    if process.machine != _machine():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _born(process.pid) != process.born


@cache
def _machine() -> str:
    # Containers may share a host's name and a workspace, and count processes each for itself.
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is no path
    except OSError:
        space = ""
    return _short(platform.node(), space)


def _born(pid: int) -> str:
    """Boot and start time, since numbers are used again; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return _short(boot, start)


def _short(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def descendants(pid: int) -> list[int]:
    """The living processes that a process has started, and those have started."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]


def _parents() -> list[tuple[int, int]]:
    """(process, its parent) of every process that is no zombie."""
    if not Path("/proc/self/stat").exists():
        command = ["ps", "-A", "-o", "pid=,ppid="]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return [(int(child), int(parent)) for child, parent in map(str.split, listed.splitlines())]
    found = []
    for place in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):  # no process, or ended meanwhile
            pid, stat = int(place.name), (place / "stat").read_text(errors="replace")
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                found.append((pid, int(parent)))
    return found


def adopt_orphans() -> None:
    """From now on what a descendant leaves behind at its end is a descendant still (on Linux).

    Without it, what a process forks just before it is killed is nobody's, and lives on.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """End a process that this one has started: asked to, and killed after `patience` seconds."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with(starter: Process) -> None:
    """From now on this process is killed, with all that it has started, once `starter` is gone.

    For what a process starts, itself or by a fork server: kill -9 leaves it no time to end that.
    """
    threading.Thread(target=_end_after, args=(starter,), daemon=True).start()


def _end_after(starter: Process) -> None:
    parent = os.getppid()  # a starter that is gone may be a zombie for long
    while os.getppid() == parent and not is_gone(starter):
        time.sleep(_LOOK)
    for pid in [*descendants(os.getpid()), os.getpid()]:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)

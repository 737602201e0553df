"""Which process made something, and whether it surely is gone: for leases and left-over files."""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process: its machine (a short hash), its number, and when it was born (a short hash)."""

    machine: str
    pid: int
    born: str


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

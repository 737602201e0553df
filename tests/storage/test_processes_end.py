"""What a process starts ends with it, also when kill -9 leaves it no time for that."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sortal.storage.processes import descendants

READERS = """
import time
from sortal.tasks.executor.base import How
from sortal.tasks.executor.local import LocalExecutor
list(LocalExecutor().map(time.sleep, [300, 300], How(processes=2)))
"""
SERVER = """
import os, time
from sortal.flows.process.temporary_server import TemporaryServer
TemporaryServer(dict(os.environ), 120).wait()
time.sleep(300)
"""
GRANDCHILD = """
import os, subprocess, sys
from sortal.storage.processes import this_process
code = "from sortal.storage.processes import Process, end_with;"
code += "end_with(Process.parse('%s'));" % str(this_process())
code += "import subprocess; subprocess.run(['sleep', '300'])"
subprocess.run([sys.executable, "-c", code])
"""


@pytest.mark.parametrize(
    ("code", "wanted"), [(READERS, 2), (SERVER, 1), (GRANDCHILD, 2)],
    ids=["readers", "server", "what it started"],
)  # fmt: skip
def test_kill_9_leaves_no_process(tmp_path: Path, code: str, wanted: int):
    env = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env)
    assert _until(lambda: len(descendants(process.pid)) >= wanted)
    time.sleep(2)  # until they are at work
    started = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert _until(lambda: not [pid for pid in started if _lives(pid)]), started


def test_a_process_ends_whose_starter_was_gone_before_it_began_to_look():
    """A fork server's child that nobody waits for: its parent never changes any more."""
    code = "from sortal.storage.processes import this_process; print(this_process())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code = "from sortal.storage.processes import Process, end_with; import time;"
    code += f"end_with(Process.parse({gone.stdout.strip()!r})); time.sleep(300)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def _until(found):
    end = time.monotonic() + 120
    while not (result := found()) and time.monotonic() < end:
        time.sleep(0.1)
    return result


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

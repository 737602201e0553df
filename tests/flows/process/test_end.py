"""A program ends with its exit code once all is done that was to be done, and no later."""

import gc
import subprocess
import sys

import pytest

from sortal.flows.process.imports import quick_imports

SCRIPT = """
import atexit, sys, threading, time
from sortal.flows.process.end import end_quickly

class Kept:
    def __del__(self):
        print("taken apart")

def work():
    time.sleep(0.3)
    print("a thread has ended")

with end_quickly():
    kept = Kept()
    kept.itself = kept
    atexit.register(print, "registered")
    threading.Thread(target=work).start()
    {end}
"""


def ended(end: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(end=end)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("code", [0, 3])
def test_threads_and_what_is_registered_come_before_the_end_and_objects_are_left(code: int):
    got = ended(f"sys.exit({code})")
    assert got.returncode == code and got.stderr == ""
    assert got.stdout.split("\n") == ["a thread has ended", "registered", ""]


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [("1 / 0", 1, "ZeroDivisionError"), ("sys.exit('no')", 1, "no"), ("pass", 0, "")],
)
def test_every_other_end_is_pythons_own(end: str, code: int, said: str):
    got = ended(end)
    assert got.returncode == code and said in got.stderr
    assert "registered" in got.stdout and "taken apart" in got.stdout


def test_garbage_is_looked_for_again_after_imports_whatever_they_raised():
    with pytest.raises(ImportError), quick_imports():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

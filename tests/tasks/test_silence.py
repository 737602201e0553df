"""No command is silent for long, and none is interrupted that says something."""

import logging
import os
import subprocess
import sys
import threading

import pytest

from sortal.tasks import silence
from sortal.tasks.progress import progress
from sortal.tasks.silence import Silence, doing, under_a_bar, unwatched, watched

log = logging.getLogger("sortal")


def test_a_line_comes_within_five_seconds_and_then_seldom():
    found = Silence("find", 100.0)
    found.doing("loading the encoder")
    assert found.line(103.0) is None
    assert found.line(104.5) == "sortal find: loading the encoder, 4 s so far"
    assert found.line(110.0) is None
    assert found.line(120.0) == "sortal find: loading the encoder, 20 s so far"


def test_whoever_says_something_or_shows_a_bar_is_left_alone():
    found = Silence("verify", 0.0)
    found.broken(3.0)
    assert found.line(6.0) is None and found.line(7.5)
    found.count_bars(1)
    assert found.line(99.0) is None
    found.count_bars(-1)
    assert found.line(99.0)


@pytest.fixture
def lines(monkeypatch):
    """What is said, and an event that is set by the first line."""
    said, heard = [], threading.Event()

    def say(line):
        said.append(line)
        heard.set()

    monkeypatch.setenv("SORTAL_TELL_AFTER", "0")
    monkeypatch.setattr(silence, "_LOOK", 0.001)
    monkeypatch.setattr(silence, "_say", say)
    return said, heard


def test_the_line_names_what_is_done_at_the_time(lines):
    said, heard = lines
    with watched("assign"):
        with progress("assigning", 3, unit="images"):
            heard.clear()
            assert heard.wait(60)
        doing("nothing")
    assert any("sortal assign: assigning, " in line for line in said)


def test_a_server_and_a_question_may_be_silent(lines):
    said, heard = lines
    with watched("browse"):
        assert heard.wait(60)
        unwatched()
        assert silence._now is None
    with under_a_bar():  # of a process that is not watched
        pass


def test_the_log_is_heard_within_and_not_beyond():
    before = list(log.filters)
    with watched("cluster"):
        assert len(log.filters) == len(before) + 1
    assert log.filters == before


def test_a_slow_start_is_told_of_on_stderr(tmp_path):
    """A command whose imports take long, as on a busy machine: here they wait for the line."""
    slow = tmp_path / "duckdb.py"
    reader, writer = os.pipe()
    slow.write_text(f"import os; os.read({reader}, 1)\nraise SystemExit(7)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SORTAL_TELL_AFTER": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "sortal", "find", "x", "--workspace", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        pass_fds=[reader],
    ) as started:
        assert started.stderr.readline().startswith("sortal find: at work, ")
        os.write(writer, b"x")
        started.communicate()
    assert started.returncode == 7

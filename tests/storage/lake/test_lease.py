"""One run a collection at a time: held, renewed, taken over, and never published without."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lakes import run_row, tables
from sortal.configs.errors import RunError
from sortal.storage.lake.catalogue import CATALOGUE_VARIABLE
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import acquire, active, confirm, fence, hold
from sortal.storage.workspace import Workspace

HOLDER = """
import sys, time
from pathlib import Path
from sortal.storage.lake.lease import hold
from sortal.storage.workspace import Workspace
with hold(Workspace(Path(sys.argv[1])), "pets", float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def other(workspace: Workspace, seconds: float = 60) -> subprocess.Popen[str]:
    """A process that holds the lease of `pets` until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace.root), str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, workspace, monkeypatch) -> Workspace:
    """A workspace with either kind of catalogue."""
    if request.param == "postgresql":
        monkeypatch.setenv(CATALOGUE_VARIABLE, request.getfixturevalue("server"))
    return workspace


def test_a_second_holder_is_refused_in_one_line_that_names_the_first(place):
    with other(place) as process:
        words = rf"pets is being sorted by .*process {process.pid} on .* ends \d+ s"
        with pytest.raises(RunError, match=words) as got:
            acquire(place, "pets", 60)
        assert "\n" not in str(got.value)
        assert [(lease.collection, lease.pid) for lease in active(place)] == [("pets", process.pid)]
        acquire(place, "another collection", 60)
        process.communicate()
    assert process.returncode == 0
    with hold(place, "pets"):
        assert len(active(place)) == 2


def test_a_killed_holder_on_this_machine_is_taken_over_at_once(place):
    process = other(place, 86400)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "pets" not in [lease.collection for lease in active(place)]
    with hold(place, "pets"):
        assert ("pets", os.getpid()) in [(lease.collection, lease.pid) for lease in active(place)]


def test_a_lease_that_was_not_renewed_can_be_taken_and_its_old_holder_cannot_publish(place):
    lost = acquire(place, "pets", seconds=0)
    row, words = run_row(1), "must hold the lease of pets to publish, and run two"
    with Lake(place) as lake, hold(place, "pets", name="run two"):  # noqa: SIM117
        with pytest.raises(RunError, match=words):
            lake.publish(row, tables(row), lambda: fence(place, "pets", lost))
        assert lake.find_run(row["fingerprint"]) is None


def test_a_lease_that_ran_out_unclaimed_is_renewed_by_publishing(place):
    token = acquire(place, "pets", seconds=0)
    confirm(place, "pets", token)
    row = run_row(2)
    with Lake(place) as lake:
        lake.publish(row, tables(row), lambda: fence(place, "pets", token))
        assert lake.find_run(row["fingerprint"]) == row["run_id"]


def test_renewing_never_disturbs_a_publish_under_way(place):
    with Lake(place) as lake, hold(place, "pets") as token:

        @contextmanager
        def renewed_meanwhile():
            for _ in range(3):
                confirm(place, "pets", token)
            with fence(place, "pets", token):
                yield

        lake.publish(run_row(3), tables(run_row(3)), renewed_meanwhile)
        confirm(place, "pets", token)
        assert lake.has_run(run_row(3)["run_id"])


TAKER = """
import sys
from pathlib import Path
from sortal.storage.lake.lease import acquire
from sortal.storage.workspace import Workspace
print("asking", flush=True)
acquire(Workspace(Path(sys.argv[1])), "pets", 60)
print("taken", flush=True)
"""


def test_nobody_takes_an_expired_lease_while_its_holder_commits(place):
    """However long that is: the fence is entered with a lease that ends at once."""
    lost = acquire(place, "pets", seconds=0)
    row = run_row(4)

    @contextmanager
    def slowly():
        with fence(place, "pets", lost):
            process = subprocess.Popen(
                [sys.executable, "-c", TAKER, str(place.root)], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout.readline() == "asking\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.5)
            takers.append(process)
            yield

    takers: list[subprocess.Popen] = []
    with Lake(place) as lake:
        lake.publish(row, tables(row), slowly)
        out, _ = takers[0].communicate(timeout=60)
        assert out == "taken\n" and lake.has_run(row["run_id"])
    with pytest.raises(RunError, match="must hold the lease"):
        confirm(place, "pets", lost)


def _race(root, barrier, answers):
    barrier.wait()
    try:
        answers.put(acquire(Workspace(root), "pets", 60))
    except RunError:
        answers.put(None)
    barrier.wait()  # none is gone before all have tried


def test_of_many_at_once_exactly_one_gets_it(place):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    started = [context.Process(target=_race, args=(place.root, barrier, answers)) for _ in range(3)]
    for process in started:
        process.start()
    got = [answers.get(timeout=60) for _ in started]
    for process in started:
        process.join()
    assert sum(token is not None for token in got) == 1


def test_leases_that_are_renewed_at_once_do_not_wait_for_each_other_for_ever(workspace):
    names = ("cats", "dogs", "birds")
    tokens = {name: acquire(workspace, name, 600) for name in names}
    with ThreadPoolExecutor(len(names)) as pool:
        renewals = [pool.submit(confirm, workspace, name, tokens[name]) for name in names * 2]
        assert [renewal.result() for renewal in renewals] == [None] * 6

"""A run attaches its lake once: all who open it see what others publish, and close only theirs."""

import multiprocessing
from pathlib import Path

import pytest

from lakes import counts, run_row, tables
from sortal.configs.errors import UsageError
from sortal.storage.lake import attach
from sortal.storage.lake.attach import attached_once, open_ahead
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace


def publish(root: Path, number: int) -> None:
    with Lake(Workspace(root)) as lake:
        lake.publish(run_row(number), tables(run_row(number)))


def elsewhere(root: Path, number: int) -> None:
    """Publish a run by another process."""
    process = multiprocessing.get_context("spawn").Process(target=publish, args=(root, number))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_lakes_share_an_attachment_and_each_sees_what_is_published_meanwhile(filled: Workspace):
    before = counts(filled)["runs"]
    with attached_once():
        with Lake(filled, read_only=True) as first:
            held = attach._shared.get()
            assert held is not None and len(held) == 1
            with Lake(filled, read_only=True) as second:
                assert len(held) == 1
                elsewhere(filled.root, 7)
                assert first.execute("SELECT count(*) FROM runs").fetchone() == (before + 1,)
            assert second is not first
            assert first.execute("SELECT count(*) FROM runs").fetchone() == (before + 1,)
        publish(filled.root, 8)
        with Lake(filled, read_only=True) as third, attached_once():
            assert third.execute("SELECT count(*) FROM runs").fetchone() == (before + 2,)
        assert len(held) == 2  # one to read, one to write
    assert not held and attach._shared.get() is None
    assert counts(filled)["runs"] == before + 2


def test_a_large_run_leaves_nothing_in_memory_and_is_published_whole(quoted: Workspace):
    row = run_row(n_images=200_000)
    with attached_once(), Lake(quoted) as lake:
        held = attach._shared.get()
        assert held
        lake.publish(row, tables(row))
        assert not held
        assert lake.has_run(row["run_id"])


def test_a_lake_that_is_gone_is_not_there_any_more(filled: Workspace):
    with attached_once():
        with Lake(filled, read_only=True):
            pass
        for file in filled.lake.glob("catalog.sqlite*"):
            file.unlink()
        with pytest.raises(UsageError, match="no runs"):
            Lake(filled, read_only=True)


def test_a_lake_that_is_opened_ahead_is_there_for_who_opens_it_next(quoted: Workspace):
    with attached_once():
        open_ahead(lambda: Lake(quoted).close())
        with Lake(quoted) as lake:
            held = attach._shared.get()
            assert held is not None and len(held) == 1  # the thread's, and no second one
            assert lake.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_an_error_of_a_lake_that_is_opened_ahead_is_told_once(quoted: Workspace):
    def fail() -> None:
        raise UsageError("the lake is away")

    with attached_once():
        open_ahead(fail)
        with pytest.raises(UsageError, match="is away"):
            Lake(quoted)
        Lake(quoted).close()


def test_nothing_is_opened_ahead_where_nobody_shares(quoted: Workspace):
    opened: list[str] = []
    open_ahead(lambda: opened.append("lake"))
    Lake(quoted).close()
    assert opened == [] and attach._opening.get() is None

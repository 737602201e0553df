"""What is held in memory: made once however many ask, made again after a failure, within bounds."""

import threading

import pytest

from sortal.flows.browse.held.kept import Kept


def test_what_many_ask_for_at_once_is_made_once():
    kept, made, gate = Kept(4), [], threading.Event()

    def make():
        gate.wait(10)
        made.append(1)
        return len(made)

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(kept.get("key", make))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert found == [1] * 8


def test_what_could_not_be_made_is_made_by_the_next_who_asks():
    kept = Kept(4)
    with pytest.raises(ZeroDivisionError):
        kept.get("key", lambda: 1 // 0)
    assert kept.peek("key") is None
    assert kept.get("key", lambda: 7) == kept.peek("key") == 7


def test_what_was_asked_for_longest_ago_goes_first():
    by_number, by_size = Kept(2), Kept(100, len, 10)
    for kept in (by_number, by_size):
        for key in ("a", "b", "a", "c"):
            kept.get(key, lambda key=key: key * 4)
    for kept in (by_number, by_size):
        assert [key for key in "abc" if kept.peek(key)] == ["a", "c"]
    by_size.put("whole", "x" * 50)
    assert by_size.peek("whole") and not by_size.peek("c")

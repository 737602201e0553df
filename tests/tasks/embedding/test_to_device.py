"""Batches on their way to a device: in order, a few ahead, and nothing goes on behind an end.

The device is torch's `meta`, which every machine has: what is there was moved there.
"""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from sortal.tasks.embedding.batches import Batch
from sortal.tasks.embedding.to_device import on_device
from sortal.tasks.errors import Failure


def batches(count: int, read: list[int]) -> Iterator[Batch]:
    """Batches of one to three images, the third without any that can be read."""
    for number in range(count):
        read.append(number)
        size = number % 3 + 1
        pixels = None if number == 2 else np.full((size, 3, 4, 4), number, np.float32)
        yield Batch(
            [str(number)] * size, pixels, [Failure(f"bad {number}", "corrupt", "no", lasting=True)]
        )


def test_batches_come_in_order_on_the_device_with_all_that_they_had():
    moved = list(on_device(batches(7, []), "meta"))
    assert [each.keys for each in moved] == [[str(n)] * (n % 3 + 1) for n in range(7)]
    assert [each.failures[0].key for each in moved] == [f"bad {n}" for n in range(7)]
    assert moved[2].pixels is None
    for each in moved[:2] + moved[3:]:
        assert each.pixels.device.type == "meta" and len(each.pixels) == len(each.keys)


def test_two_batches_are_read_ahead_and_no_more():
    read: list[int] = []
    found = on_device(batches(20, read), "cpu", ahead=2)
    assert next(found).pixels[0, 0, 0, 0] == 0
    deadline = time.monotonic() + 60
    while len(read) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert read == [0, 1, 2]
    found.close()
    assert read == [0, 1, 2]
    assert not any(each.name.startswith("to-device") for each in threading.enumerate())


def test_what_reading_raises_comes_after_the_batches_before_it():
    def broken() -> Iterator[Batch]:
        yield from batches(2, [])
        raise OSError("the disk is gone")

    found = on_device(broken(), "cpu")
    assert [next(found).keys[0], next(found).keys[0]] == ["0", "1"]
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)

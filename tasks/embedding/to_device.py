"""Pixels on their way to an accelerator: the next are copied while a batch is encoded."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import torch

from sortal.tasks.embedding.batches import Batch
from sortal.tasks.errors import Failure

_AHEAD = 2  # batches on the device besides the one that is encoded


class Moved(NamedTuple):
    """A batch whose pixels (len(keys), 3, h, w) are on the device, or None where all failed."""

    keys: list[str]
    pixels: torch.Tensor | None
    failures: list[Failure]


def on_device(
    batches: Iterator[Batch], device: str, ahead: int = _AHEAD
) -> Generator[Moved, None, None]:
    """The batches in order, read and copied to `device` by a thread, `ahead` of them in advance.

    Raises what `batches` raises, in its place. On CUDA the copies go from pinned memory by a stream
    of their own, so that neither the cores nor the kernels wait for them.
    """
    copier, waiting = _Copier(device), deque[Future[Moved | None]]()

    def step() -> Moved | None:
        batch = next(batches, None)
        return batch and copier(batch)

    with ThreadPoolExecutor(1, "to-device") as pool:
        try:
            waiting += [pool.submit(step) for _ in range(ahead)]
            while moved := waiting.popleft().result():
                waiting.append(pool.submit(step))
                copier.wait(moved)
                yield moved
        finally:
            pool.shutdown(cancel_futures=True)


class _Copier:
    """Copies a batch's pixels to a device; they stay where they are when it is out of memory."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.startswith("cuda") else None

    def __call__(self, batch: Batch) -> Moved:
        if batch.pixels is None:
            return Moved(batch.keys, None, batch.failures)
        pixels = torch.from_numpy(batch.pixels)
        with suppress(torch.OutOfMemoryError):  # whoever encodes them copies a part at a time
            pixels = self._pinned(pixels) if self._stream else pixels.to(self._device)
        return Moved(batch.keys, pixels, batch.failures)

    def _pinned(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.cuda.stream(self._stream):
            held = pixels.pin_memory()
            moved = held.to(self._device, non_blocking=True)
            torch.cuda.current_stream().synchronize()  # of this stream alone, before `held` goes
        return moved

    def wait(self, moved: Moved) -> None:
        """Have the memory of a batch that was copied belong to the kernels that read it."""
        if self._stream and moved.pixels is not None and moved.pixels.is_cuda:
            moved.pixels.record_stream(torch.cuda.current_stream())

"""Texts in batches of like length, so that little of a batch is padding."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

Advance = Callable[[int], None]  # told after each batch how many texts it held


def silent(_: int) -> None:
    """Report nothing."""


def batches_by_length(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Rows in order of length, cut so that a padded batch holds at most `most_tokens` tokens."""
    batch: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[row] > most_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch

"""Matching: which cluster of this run is which cluster of the last one, and what became of each.

Everything follows from one matrix: how many images two clusters share. Images that came or were
deleted since are in no cell of it, so growth alone never breaks an identity. Images in no cluster
have a row and a column too, so that a cluster is known to have lost images to none; these are one
another's match and no cluster's, and have the stable id `NO_KIND`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortal.configs.lineage import LineageConfig
from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.assignments import NO_KIND

EVENTS = ("same", "grew", "shrank", "split", "merged", "born", "vanished")
_FIRST_KINDLESS = -2  # in the place of the row that images in no cluster continue, if none
_MOST = 0.5  # a part of a split cluster holds mostly its images


class Change(NamedTuple):
    """What became of one cluster; `cluster` is None for one that vanished, -1 for images in none.

    `related` are stable ids: of a split the cluster it was part of, of a merger those that are
    in it, of one that vanished those that hold its images now. `shared` are images in both
    runs' cluster, `came` and `went` the others of this and of the last run. `overlap` is the
    Jaccard index over images of both runs; None where no cluster was matched by images.
    """

    cluster: int | None
    stable_id: int
    event: str
    related: list[int]
    size: int
    previous_size: int
    shared: int
    came: int
    went: int
    overlap: float | None


class Kindless(NamedTuple):
    """Which rows (P,) and columns (C,) are images in no cluster: one of each at the most."""

    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]


class Before(NamedTuple):
    """The last run's clusters, by row: stable id and size, both of shape (P,)."""

    stable_ids: NDArray[np.int64]
    sizes: NDArray[np.int64]


def jaccard(shared: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shared images over all images of either cluster that both runs know; shape (P, C)."""
    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0) - shared
    return shared / np.maximum(either, 1)


def match(
    shared: NDArray[np.int64],
    cosines: FloatArray | None,
    config: LineageConfig,
    kindless: Kindless | None = None,
) -> NDArray[np.int64]:
    """For each of C clusters the row of the last run's cluster it continues, or a negative number.

    `shared` (P, C) counts images in both. The one-to-one match shares the most images in all
    (Hungarian). Clusters that share none with any are matched by `cosines` (P, C) of centres.
    """
    partner = np.full(shared.shape[1], -1, dtype=np.int64)
    apart, alone = kindless or (np.zeros(size, dtype=np.bool_) for size in shared.shape)
    close = jaccard(shared)
    allowed = (shared > 0) & (close >= config.min_overlap) & ~apart[:, None] & ~alone
    _pair(partner, shared.astype(np.float64), allowed)
    partner[alone] = next(iter(np.flatnonzero(apart)), _FIRST_KINDLESS)
    rows = np.flatnonzero((shared.sum(axis=1) == 0) & ~apart)
    columns = np.flatnonzero((shared.sum(axis=0) == 0) & ~alone)
    if cosines is not None and len(rows) and len(columns):
        left = np.full(len(columns), -1, dtype=np.int64)
        part = cosines[np.ix_(rows, columns)].astype(np.float64)
        _pair(left, part, part >= config.min_cosine)
        partner[columns[left >= 0]] = rows[left[left >= 0]]
    return partner


def _pair(
    partner: NDArray[np.int64], value: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> None:
    if not allowed.any():
        return
    from scipy.optimize import linear_sum_assignment  # takes long to import

    rows, columns = linear_sum_assignment(np.where(allowed, value, 0.0), maximize=True)
    good = allowed[rows, columns]
    partner[columns[good]] = rows[good]


def changes(
    shared: NDArray[np.int64],
    partner: NDArray[np.int64],
    before: Before,
    sizes: NDArray[np.int64],
    next_id: int,
    config: LineageConfig,
) -> list[Change]:
    """One `Change` a cluster of this run, in order, then one a cluster that vanished.

    `sizes` of shape (C,) are this run's. A cluster that continues none gets the next new id.
    """
    ids = _stable_ids(partner, before.stable_ids, next_id)
    return events(shared, partner, before, sizes, ids, config)


def events(
    shared: NDArray[np.int64],
    partner: NDArray[np.int64],
    before: Before,
    sizes: NDArray[np.int64],
    ids: NDArray[np.int64],
    config: LineageConfig,
) -> list[Change]:
    """As `changes`, of clusters whose stable ids, of shape (C,), are known already.

    Images in no cluster neither merge nor split: they grow and shrink.
    """
    given = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)
    made = shared / np.maximum(shared.sum(axis=0), 1)
    kinds = (before.stable_ids != NO_KIND)[:, None] & (ids != NO_KIND)
    inside = _absorbed(given, partner, config) & kinds
    parts = (given >= config.split_share) & (made >= _MOST) & (shared > 0) & kinds
    parts &= parts.sum(axis=1, keepdims=True) >= 2
    close = jaccard(shared)
    out = []
    for cluster, row in enumerate(partner):
        size, past = int(sizes[cluster]), int(before.sizes[row]) if row >= 0 else 0
        common = int(shared[row, cluster]) if row >= 0 else 0
        matched = row >= 0 or ids[cluster] == NO_KIND
        event, of = _event(inside[:, cluster], parts[:, cluster], size, past, matched, config)
        overlap = float(close[row, cluster]) if common else None
        counts = (size, past, common, size - common, past - common)
        related = before.stable_ids[of].tolist()
        number = NO_KIND if ids[cluster] == NO_KIND else cluster
        out.append(Change(number, int(ids[cluster]), event, related, *counts, overlap))
    for row in np.setdiff1d(np.arange(len(before.sizes)), partner):
        now = ids[given[row] >= config.split_share].tolist()
        past, known = int(before.sizes[row]), int(before.stable_ids[row])
        out.append(Change(None, known, "vanished", now, 0, past, 0, 0, past, None))
    return out


def _stable_ids(
    partner: NDArray[np.int64], known: NDArray[np.int64], next_id: int
) -> NDArray[np.int64]:
    ids = np.where(partner >= 0, known[partner] if len(known) else 0, 0)
    ids[partner == _FIRST_KINDLESS] = NO_KIND
    new = partner == -1
    ids[new] = next_id + np.arange(new.sum())
    return ids


def _absorbed(
    given: NDArray[np.float64], partner: NDArray[np.int64], config: LineageConfig
) -> NDArray[np.bool_]:
    """Whether row p lies mostly in column c, and lives on in no other; shape (P, C)."""
    inside = given >= config.merge_share
    here = partner[None, :] == np.arange(len(given))[:, None]
    elsewhere = here.any(axis=1, keepdims=True) & ~here
    return inside & ~elsewhere


def _event(
    inside: NDArray[np.bool_],
    parts: NDArray[np.bool_],
    size: int,
    past: int,
    matched: bool,
    config: LineageConfig,
) -> tuple[str, NDArray[np.int64]]:
    """The event of one cluster and the rows it is of."""
    if inside.sum() >= 2:
        return "merged", np.flatnonzero(inside)
    if parts.any():
        return "split", np.flatnonzero(parts)
    none = np.empty(0, dtype=np.int64)
    if not matched:
        return "born", none
    if abs(size - past) <= config.steady * past:
        return "same", none
    return ("grew" if size > past else "shrank"), none

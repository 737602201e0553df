"""The points of a map: places as arrays, groups to colour them by, and which lie in a lasso.

Rows are in the order of keys. A page names an image by its row: a million keys never travel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.assignments import NO_KIND

By = Literal["kind", "label", "date", "novelty"]
BYS: tuple[By, ...] = ("kind", "label", "date", "novelty")

_GROUPS = 60  # that have a colour of their own; the rest is one group
_SPANS = 10  # of time, each with as many images


class Group(NamedTuple):
    """Points of one colour; `id` is a kind's stable id."""

    name: str
    n: int
    id: int | None = None


class Grouped(NamedTuple):
    """Groups, the largest first, and of each point its group's number."""

    groups: list[Group]
    codes: NDArray[np.uint16]


class Centre(NamedTuple):
    """A kind on the map: its images and their mean place."""

    id: int
    name: str
    n: int
    x: float
    y: float


@dataclass
class Points:
    """A run's map. `rows` has the columns of `browse/map/points.sql`, `kinds` those of `kinds`."""

    rows: pa.Table
    kinds: list[dict[str, Any]]

    @cached_property
    def xy(self) -> FloatArray:
        """Places, of shape (2, n), float32."""
        return np.stack([self.rows[axis].to_numpy().astype(np.float32) for axis in ("x", "y")])

    def at(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """key, name (of the kind) and label of rows; rows that are not there are left out."""
        there = [row for row in rows if 0 <= row < self.rows.num_rows]
        found = self.rows.select(["key", "label", "cluster"]).take(pa.array(there, pa.int64()))
        names = {card["cluster"]: card["name"] or "unnamed" for card in self.kinds}
        return [
            {"key": row["key"], "name": names.get(row["cluster"], "unnamed"), "label": row["label"]}
            for row in found.to_pylist()
        ]

    @property
    def bys(self) -> list[By]:
        """What points differ in, and can be coloured by."""
        return [by for by in BYS if by == "kind" or len(self.grouped(by).groups) > 1]

    def grouped(self, by: By) -> Grouped:
        """The groups of a colouring."""
        return self._grouped[by]

    @cached_property
    def centres(self) -> list[Centre]:
        """The kinds on the map, the largest first."""
        cluster = self._cluster[self._cluster >= 0]
        count = np.bincount(cluster)
        x, y = (
            np.bincount(cluster, weights=axis[self._cluster >= 0]) / np.maximum(count, 1)
            for axis in self.xy
        )
        return [
            Centre(card["cluster_id"], card["name"] or "unnamed", int(count[at]), x[at], y[at])
            for card in self.kinds
            if 0 <= (at := card["cluster"]) < len(count) and count[at]
        ]

    def inside(self, polygon: FloatArray) -> NDArray[np.int64]:
        """The rows in a polygon (m, 2) by the even-odd rule, those nearest to its middle first."""
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        x, y = self.xy
        near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
        px, py = x[near], y[near]
        odd = np.zeros(len(near), bool)
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y0 != y1:
                crosses = (y0 > py) != (y1 > py)
                odd ^= crosses & (px < (x1 - x0) * (py - y0) / (y1 - y0) + x0)
        middle = polygon.mean(axis=0)
        far = np.hypot(px - middle[0], py - middle[1])[odd]
        return near[odd][np.argsort(far, kind="stable")]

    @cached_property
    def _cluster(self) -> NDArray[np.int64]:
        cluster: NDArray[np.int64] = self.rows["cluster"].to_numpy().astype(np.int64)
        return cluster

    @cached_property
    def _grouped(self) -> dict[By, Grouped]:
        return {"kind": self._by_kind(), "label": self._by_label(), "date": self._by_date(),
                "novelty": self._by_novelty()}  # fmt: skip

    def _by_kind(self) -> Grouped:
        cards = {card["cluster"]: card for card in self.kinds}
        clusters = [*range(int(self._cluster.max(initial=-1)) + 1), NO_KIND]  # it is the last: -1
        known = (cards.get(at) for at in clusters)
        names = [(card["name"] or "unnamed", card["cluster_id"]) if card else ("unnamed", None)
                 for card in known]  # fmt: skip
        return _largest(names, np.where(self._cluster < 0, len(names) - 1, self._cluster))

    def _by_label(self) -> Grouped:
        coded = pc.fill_null(self.rows["label"], "no label").combine_chunks().dictionary_encode()
        return _largest([(name, None) for name in coded.dictionary.to_pylist()],
                        coded.indices.to_numpy().astype(np.int64))  # fmt: skip

    def _by_date(self) -> Grouped:
        taken = self.rows["taken_at"].to_numpy(zero_copy_only=False).astype("datetime64[s]")
        known = ~np.isnat(taken)
        if not known.any():
            return Grouped([Group("no date", len(taken))], np.zeros(len(taken), np.uint16))
        cuts = np.unique(np.quantile(taken[known].astype(np.int64), np.linspace(0, 1, _SPANS + 1)))
        last = max(len(cuts) - 2, 0)
        span = np.clip(np.searchsorted(cuts, taken.astype(np.int64), side="right") - 1, 0, last)
        code = np.where(known, span, last + 1)
        days = [str(np.datetime64(int(cut), "s"))[:10] for cut in cuts]
        names = [f"{a} to {b}" for a, b in pairwise(days)] or days
        counts = np.bincount(code, minlength=last + 2).tolist()
        groups = [Group(name, n) for name, n in zip([*names, "no date"], counts, strict=True)]
        return Grouped(groups if counts[-1] else groups[:-1], code.astype(np.uint16))

    def _by_novelty(self) -> Grouped:
        fresh = self.rows["is_new"].to_numpy(zero_copy_only=False)
        if fresh.all():  # there is no run before
            return Grouped([Group("there before", len(fresh))], np.zeros(len(fresh), np.uint16))
        n = int(fresh.sum())
        groups = [Group("there before", len(fresh) - n), Group("new", n)]
        return Grouped(groups if n else groups[:1], fresh.astype(np.uint16))


def _largest(names: list[tuple[str, int | None]], at: NDArray[np.int64]) -> Grouped:
    count = np.bincount(at, minlength=len(names))
    order = np.argsort(-count, kind="stable")
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    groups = [Group(names[n][0], int(count[n]), names[n][1]) for n in order.tolist() if count[n]]
    if len(groups) > _GROUPS:
        rest = sum(group.n for group in groups[_GROUPS:])
        groups = [*groups[:_GROUPS], Group("all others", rest)]
        place = np.minimum(place, _GROUPS)
    return Grouped(groups, place[at].astype(np.uint16))

"""Groups of near duplicates: pictures that pairs connect, and which of each is the one to keep."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

GROUPS = pa.schema(
    [
        ("key", pa.string()),
        ("keep", pa.string()),  # of its group: the picture of the most pixels, then bytes
        ("change", pa.string()),  # against the most alike of its group; NULL for the one to keep
        ("agreement", pa.float32()),
        ("cosine", pa.float32()),
        ("n", pa.int32()),  # pictures in the group
    ]
)


def groups_of(pairs: pa.Table, facts: pa.Table) -> pa.Table:
    """A row for each picture that has a near duplicate (columns GROUPS), group by group.

    `pairs` has the columns key, other, agreement, cosine, flipped, cropped; `facts` key, width,
    height, bytes.
    """
    if not pairs.num_rows:
        return GROUPS.empty_table()
    known = {row["key"]: row for row in facts.to_pylist()}
    keys = sorted({*pairs["key"].to_pylist(), *pairs["other"].to_pylist()})
    number = {key: place for place, key in enumerate(keys)}
    members: dict[int, list[str]] = {}
    for key, label in zip(keys, _labels(pairs, number), strict=True):
        members.setdefault(int(label), []).append(key)
    best = _best(pairs)
    rows = []
    for group in members.values():
        ordered = sorted(group, key=lambda key: (*_size(known[key]), key))
        keep = ordered[0]
        for key in ordered:
            pair, other = best[key]
            change = None if key == keep else _change(pair, known[key], known[other])
            rows.append(
                {"key": key, "keep": keep, "change": change, "agreement": pair["agreement"],
                 "cosine": pair["cosine"], "n": len(group)}
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=GROUPS)


def _labels(pairs: pa.Table, number: dict[str, int]) -> NDArray[np.int32]:
    first, second = ([number[key] for key in pairs[name].to_pylist()] for name in ("key", "other"))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(number), len(number)))
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


def _best(pairs: pa.Table) -> dict[str, tuple[dict, str]]:
    """Of each picture the pair of the highest agreement, and the other in it."""
    found: dict[str, tuple[dict, str]] = {}
    for pair in pairs.sort_by([("agreement", "descending"), ("key", "ascending")]).to_pylist():
        found.setdefault(pair["key"], (pair, pair["other"]))
        found.setdefault(pair["other"], (pair, pair["key"]))
    return found


def _size(facts: dict) -> tuple[int, int]:
    return -(facts["width"] or 0) * (facts["height"] or 0), -(facts["bytes"] or 0)


def _change(pair: dict, one: dict, other: dict) -> str:
    """What seems to have been done: flipped, cropped, resized, or the like of it; else altered."""
    sizes = [(facts["width"], facts["height"]) for facts in (one, other)]
    found = {
        "flipped": pair["flipped"],
        "cropped": pair["cropped"],
        "resized": sizes[0] != sizes[1] and not pair["cropped"],
    }
    return ", ".join(name for name, done in found.items() if done) or "altered"

"""How kinds and labels agree: which label is in which kind, and which labels may be wrong."""

from typing import Any, NamedTuple

_MOST = 40  # kinds and labels shown, those with the most images


class Cell(NamedTuple):
    """How many images of a label are in a kind, and their share of the kind."""

    n_images: int
    share: float


class Confusion(NamedTuple):
    """Labels by kinds: `rows` are (kind, cells by label); only the largest of both are shown."""

    labels: list[str]
    rows: list[tuple[str, list[Cell]]]
    n_hidden: int  # labels and kinds that are not shown


class Majority(NamedTuple):
    """The label that most of a kind's labelled images have, and their share of these."""

    label: str
    share: float


def majorities(counts: list[dict[str, Any]]) -> dict[int, Majority]:
    """Each cluster's majority, of the counts (cluster, label, n_images); of equals the last."""
    kinds: dict[int, dict[str, int]] = {}
    for row in counts:
        kinds.setdefault(row["cluster"], {})[row["label"]] = row["n_images"]
    return {cluster: _majority(found) for cluster, found in kinds.items()}


def _majority(counts: dict[str, int]) -> Majority:
    label = max(counts, key=lambda each: (counts[each], each))
    return Majority(label, counts[label] / sum(counts.values()))


def confusion_of(counts: list[dict[str, Any]]) -> Confusion | None:
    """The table of counts (cluster_id, name, label, n_images); None without any.

    Kinds are in the order of their majority labels, so that agreement lies on a diagonal.
    """
    if not counts:
        return None
    by_label: dict[str, int] = {}
    kinds: dict[int, dict[str, int]] = {}
    names = {row["cluster_id"]: row["name"] or f"kind {row['cluster_id']}" for row in counts}
    for row in counts:
        by_label[row["label"]] = by_label.get(row["label"], 0) + row["n_images"]
        kinds.setdefault(row["cluster_id"], {})[row["label"]] = row["n_images"]
    labels = sorted(by_label, key=lambda label: (-by_label[label], label))[:_MOST]
    largest = sorted(kinds, key=lambda kind: (-sum(kinds[kind].values()), kind))[:_MOST]
    place = {label: number for number, label in enumerate(labels)}

    def order(kind: int) -> tuple[int, int]:
        label = max(kinds[kind], key=lambda each: (kinds[kind][each], each))
        return place.get(label, len(place)), -kinds[kind][label]

    rows = []
    for kind in sorted(largest, key=order):
        total = sum(kinds[kind].values())
        found = [kinds[kind].get(label, 0) for label in labels]
        rows.append((names[kind], [Cell(count, count / total) for count in found]))
    hidden = len(by_label) - len(labels) + len(kinds) - len(largest)
    return Confusion(labels, rows, hidden)

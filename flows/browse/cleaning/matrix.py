"""The confusion matrix as a table to look at, however many kinds and labels there are."""

from collections import Counter
from typing import Any, NamedTuple

_MOST = 60  # kinds, and labels, that have a row or a column of their own
_LEVELS = 6  # shades of a cell
_OTHER = None


class Cell(NamedTuple):
    """Images of a kind with a label; `level` is the shade of their share of the kind."""

    n: int
    level: int


class Row(NamedTuple):
    """A kind (`id` None: all that have no row), and a cell a label."""

    id: int | None
    name: str
    cells: list[Cell]
    total: int


class Matrix(NamedTuple):
    """`labels` has a last item None where some labels have no column."""

    labels: list[str | None]
    rows: list[Row]


def matrix_of(counted: list[dict[str, Any]]) -> Matrix:
    """Kinds by size, labels in the order of the kinds that they are most frequent in.

    `counted` has the columns cluster_id, name, label, n_images.
    """
    sizes: Counter[int] = Counter()
    of_label: Counter[str] = Counter()
    for row in counted:
        sizes[row["cluster_id"]] += row["n_images"]
        of_label[row["label"]] += row["n_images"]
    names = {row["cluster_id"]: row["name"] or "unnamed" for row in counted}
    ids = [id_ for id_, _ in sorted(sizes.items(), key=lambda each: (-each[1], each[0]))]
    labels = _ordered(counted, ids, of_label)
    kept, columns = set(ids[:_MOST]), set(labels[:_MOST])
    cells: Counter[tuple[int | None, str | None]] = Counter()
    for row in counted:
        kind = row["cluster_id"] if row["cluster_id"] in kept else _OTHER
        cells[kind, row["label"] if row["label"] in columns else _OTHER] += row["n_images"]
    shown: list[str | None] = [*labels[:_MOST], *([_OTHER] if len(labels) > _MOST else [])]
    kinds: list[int | None] = [*ids[:_MOST], *([_OTHER] if len(ids) > _MOST else [])]
    return Matrix(shown, [_row(kind, names, shown, cells) for kind in kinds])


def _ordered(counted: list[dict[str, Any]], ids: list[int], of_label: Counter[str]) -> list[str]:
    best: dict[int, tuple[int, str]] = {}
    for row in counted:
        here = (row["n_images"], row["label"])
        best[row["cluster_id"]] = max(best.get(row["cluster_id"], here), here)
    first = dict.fromkeys(best[id_][1] for id_ in ids)
    rest = sorted(of_label, key=lambda label: (-of_label[label], label))
    return list(first | dict.fromkeys(rest))


def _row(
    kind: int | None,
    names: dict[int, str],
    labels: list[str | None],
    cells: Counter[tuple[int | None, str | None]],
) -> Row:
    counts = [cells[kind, label] for label in labels]
    total = sum(counts)
    shaded = [Cell(n, -(-_LEVELS * n // max(total, 1))) for n in counts]
    return Row(kind, "all other kinds" if kind is None else names[kind], shaded, total)

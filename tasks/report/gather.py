"""A report's data, gathered from the lake by run id."""

import json
from typing import Any

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.tasks.labels.compared import are_compared
from sortal.tasks.report.data import Captioned, Cluster, Kind, Picture, ReportData, Suspect
from sortal.tasks.report.labels import Majority, confusion_of, majorities
from sortal.tasks.report.thumbnails import Place

_MAX_CARDS = 150
_MAX_PICTURES = 400  # of all cards, their contact sheets included
_LEAST_SHEET = 6  # pictures, or a card has none
_EXTREMES = 12
_SEVERAL = 3  # images: of fewer none is more typical than the others
PURE = 0.5  # share of a kind's labels that are one: others in it may be wrong
_PICTURES = ((20, 12), (50, 7), (100, 5), (_MAX_CARDS, 3))  # up to so many cards, so many each


def pictures_per_card(n_cards: int) -> int:
    """How many pictures a card has, so that a page stays below about 3 MB."""
    return next(count for most, count in _PICTURES if n_cards <= most)


def _fitting(keys: list[str]) -> list[str]:
    """As many of a card's pictures as fill its grid, in which the first is four times as large."""
    return keys[: next(n for n in (12, 7, 5, 3, 2, 1, 0) if n <= len(keys))]


def gather(lake: Lake, run_id: str) -> ReportData:
    """The report of a run; raises UsageError for a run that is not in the lake."""
    run = run_row(lake, run_id)
    rows = _rows(lake, "clusters", run=run_id)
    n_cards = min(sum(row["size"] > 0 for row in rows), _MAX_CARDS)
    count = pictures_per_card(n_cards)
    shown = {row["cluster"]: _fitting(row["representatives"][:count]) for row in rows[:n_cards]}
    more = _more(lake, run_id, shown)
    several = [row["cluster"] for row in rows if row["size"] >= _SEVERAL]
    extremes = _rows(lake, "extremes", run=run_id, clusters=several, count=_EXTREMES)
    metrics = {row["name"]: row["value"] for row in _rows(lake, "metrics", run=run_id)}
    steps = {name.removeprefix("seconds.") for name in metrics if name.startswith("seconds.")}
    has_captions = any(step == "image_captions" or step.startswith("view.") for step in steps)
    captioned = _rows(lake, "distrusted", run=run_id, count=_EXTREMES) if has_captions else []
    counts = _compared(_rows(lake, "confusion", run=run_id))
    labels = majorities(counts)
    suspects = _rows(lake, "suspects", run=run_id, purity=PURE, count=_EXTREMES) if labels else []
    keys = {key for keys in (*shown.values(), *more.values()) for key in keys}
    keys |= {row["key"] for row in [*extremes, *captioned, *suspects]}
    pictures = _pictures(lake, run_id, sorted(keys))

    trained = _rows(lake, "training", run=run_id)

    def of_kind(kind: str) -> list[Picture]:
        found = [pictures[row["key"]] for row in extremes if row["kind"] == kind]
        return sorted(found, key=lambda p: (p.distance, p.place.key), reverse=kind == "unusual")

    return ReportData(
        run=run,
        clusters=[
            _cluster(
                row,
                labels.get(row["cluster"]),
                *(_found(pictures, keys, row["cluster"]) for keys in (shown, more)),
            )
            for row in rows
        ],
        n_cards=n_cards,
        typical=of_kind("typical"),
        unusual=of_kind("unusual"),
        weights={k: w for k, w in _rows(lake, "weights", run=run_id)[0].items() if w},
        failures=_rows(lake, "failures", run=run_id) if run["n_failed"] else [],
        metrics=metrics,
        changes=_rows(lake, "changes", run=run_id),
        training={row["name"]: row["figures"] for row in trained},
        candidates=_rows(lake, "candidates", run=run_id) if "choice" in steps else [],
        counts=_rows(lake, "counts", run=run_id) if "count" in steps else [],
        tree=tree_of(_rows(lake, "tree", run=run_id)) if "tree" in steps else [],
        distrusted=[
            Captioned(pictures[row["key"]], row["caption"], row["weight"])
            for row in captioned
            if row["key"] in pictures
        ],
        confusion=confusion_of(counts),
        suspects=[Suspect(pictures[row["key"]], row["label"], row["expected"]) for row in suspects],
    )


def _compared(counts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The counts (label, n_images, ...); none where the labels tell nothing."""
    n_classes = len({row["label"] for row in counts})
    return counts if are_compared(sum(row["n_images"] for row in counts), n_classes) else []


def _more(lake: Lake, run_id: str, shown: dict[int, list[str]]) -> dict[int, list[str]]:
    """The keys of each card's contact sheet: what the budget has left, in equal parts."""
    used = max(map(len, shown.values()), default=0)
    count = _MAX_PICTURES // max(len(shown), 1) - used
    if count < _LEAST_SHEET:
        return {}
    rows = _rows(lake, "more", run=run_id, count=count + used)
    found = {row["cluster"]: row["keys"] for row in rows}
    return {
        cluster: [key for key in found.get(cluster, []) if key not in keys][:count]
        for cluster, keys in shown.items()
    }


def _found(pictures: dict[str, Picture], keys: dict[int, list[str]], cluster: int) -> list[Picture]:
    return [pictures[key] for key in keys.get(cluster, []) if key in pictures]


def tree_of(rows: list[dict[str, Any]]) -> list[Kind]:
    """The coarsest kinds of the rows (level, node, parent, ...), which are by level, then size."""
    kinds: dict[tuple[int, int], Kind] = {}
    top: list[Kind] = []
    for row in rows:
        kind = Kind(row["kind_id"], row["name"] or "", row["size"], row["level"], [])
        kinds[row["level"], row["node"]] = kind
        above = kinds.get((row["level"] + 1, row["parent"]))
        (above.parts if above else top).append(kind)
    return top


def _rows(lake: Lake, name: str, **values: Any) -> list[dict[str, Any]]:
    return lake.query(sql(f"report/{name}"), values).to_pylist()


def run_row(lake: Lake, run_id: str) -> dict[str, Any]:
    """The run's row of `runs`, `config` parsed; raises UsageError where there is none."""
    rows = _rows(lake, "run", run=run_id)
    if not rows:
        raise UsageError(f"run_id must name a run in the lake, got {run_id!r}; see `sortal runs`")
    return {**rows[0], "config": json.loads(rows[0]["config"] or "{}")}


def _pictures(lake: Lake, run_id: str, keys: list[str]) -> dict[str, Picture]:
    return {
        row["key"]: Picture(
            place=Place(row["key"], row["path"], row["offset"], row["bytes"]),
            cluster=row["cluster"],
            name=row["name"] or "",
            distance=row["distance"],
        )
        for row in _rows(lake, "pictures", run=run_id, keys=keys)
    }


def _cluster(
    row: dict[str, Any], label: Majority | None, pictures: list[Picture], more: list[Picture]
) -> Cluster:
    return Cluster(
        cluster=row["cluster"],
        id=row["cluster_id"],
        name=row["name"],
        named=row["is_named"],
        size=row["size"],
        share=row["share"],
        caption=row["caption"],
        mean_distance=row["mean_distance"],
        nouns=[(noun["term"], noun["mass"]) for noun in row["nouns"] or []],
        label=label.label if label else None,
        label_share=label.share if label else None,
        pictures=pictures,
        more=more,
        suggested=row["suggested_name"],
        written_by=row["written_by"],
    )

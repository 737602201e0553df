"""What a report says, gathered from the lake by run id: small tables, never N rows."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.tasks.report.thumbnails import LARGE, SMALL, Place

_MAX_CARDS = 150
_EXTREMES = 12
_PICTURES = ((20, 12), (50, 7), (100, 5), (_MAX_CARDS, 3))  # up to so many cards, so many each
_MODALITY = re.compile(r"view\.[a-z0-9_]+\.n_present")
_CORPORA = {"noun": "nouns", "caption": "captions"}


@dataclass(frozen=True)
class Picture:
    """An image as shown: where it is, which cluster it is in and how far from the centre."""

    place: Place
    cluster: int
    name: str
    distance: float


@dataclass(frozen=True)
class Cluster:
    """A cluster as shown; `nouns` are (term, share of the cluster's mass), best first.

    `id` is its stable id, `cluster` its place in the run's tables.
    """

    cluster: int
    id: int
    name: str
    size: int
    share: float
    caption: str | None
    mean_distance: float | None
    nouns: list[tuple[str, float]]
    label: str | None = None
    label_share: float | None = None
    pictures: list[Picture] = field(default_factory=list)
    suggested: str | None = None  # what it would be called now, where its kept name does not fit


class Kind(NamedTuple):
    """A node of the tree of kinds: a cluster, or a kind with its parts, by decreasing size."""

    id: int
    name: str
    size: int
    level: int
    parts: list["Kind"]


class ModalityRow(NamedTuple):
    """A further modality: its dimensions, how many images have it and how many lack it."""

    name: str
    dim: int
    n_present: int
    n_missing: int


class Captioned(NamedTuple):
    """An image's caption and how far the method trusts it."""

    picture: Picture
    caption: str
    weight: float


@dataclass(frozen=True)
class ReportData:
    """Everything on the page. `run` is the row of `runs`, with `config` parsed.

    `clusters` are by decreasing size; only the first `n_cards` have pictures. `weights` are the
    mean fusion weights that are above zero. `metrics` holds all of the run's
    figures by name; `training` those of a trained head, epoch by epoch.
    """

    run: dict[str, Any]
    clusters: list[Cluster]
    n_cards: int
    typical: list[Picture]
    unusual: list[Picture]
    weights: dict[str, float]
    failures: list[dict[str, Any]]
    metrics: dict[str, float]
    training: dict[str, list[float]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(
        default_factory=list
    )  # since the last run, a cluster each
    distrusted: list[Captioned] = field(default_factory=list)  # least trusted first
    candidates: list[dict[str, Any]] = field(default_factory=list)  # what was tried, best first
    counts: list[dict[str, Any]] = field(default_factory=list)  # numbers tried, ascending
    tree: list[Kind] = field(default_factory=list)  # the coarsest kinds; empty without any

    @property
    def labelled(self) -> bool:
        """Whether the clusters could be compared with labels."""
        return "acc" in self.metrics

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The candidate by which images were compared, where that was chosen."""
        return next((row for row in self.candidates if row["chosen"]), None)

    @property
    def modalities(self) -> list[ModalityRow]:
        """The further modalities of images that the method read."""
        return modality_rows(self.metrics)

    @property
    def entropy_limit(self) -> float:
        """Entropy in nats when all clusters are used alike."""
        return math.log(max(self.run["n_clusters"], 1))

    @property
    def costs(self) -> list[tuple[str, float, float]]:
        """Steps as (name, seconds, peak memory of the process so far in MiB), dearest first."""
        steps = [name.partition(".")[2] for name in self.metrics if name.startswith("seconds.")]
        rows = [
            (_title(s), self.metrics[f"seconds.{s}"], self.metrics[f"peak_mb.{s}"]) for s in steps
        ]
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    @property
    def transports(self) -> list[tuple[str, bool, float, float]]:
        """Transports as (texts, converged, iterations, marginal error)."""
        parts = {f"{corpus}.transport": texts for corpus, texts in _CORPORA.items()}
        return [
            (
                name,
                bool(self.metrics[f"{part}.converged"]),
                self.metrics[f"{part}.n_iter"],
                self.metrics[f"{part}.marginal_error"],
            )
            for part, name in parts.items()
            if f"{part}.n_iter" in self.metrics
        ]

    def places(self) -> list[Place]:
        """Every image the page shows, some of them twice."""
        cards = [picture for cluster in self.clusters for picture in cluster.pictures]
        captioned = [each.picture for each in self.distrusted]
        return [picture.place for picture in [*cards, *self.typical, *self.unusual, *captioned]]

    def sizes(self) -> dict[str, int]:
        """Pixels of each thumbnail: the first of a card is large."""
        firsts = {c.pictures[0].place.key for c in self.clusters if c.pictures}
        return {place.key: LARGE if place.key in firsts else SMALL for place in self.places()}


def _title(role: str) -> str:
    """A step's role for people: `noun.text_vectors` is "text vectors, nouns"."""
    *around, last = role.split(".")
    words = [last.replace("_", " "), *(_CORPORA.get(word, word) for word in reversed(around))]
    return ", ".join(words)


def modality_rows(metrics: Mapping[str, float]) -> list[ModalityRow]:
    """The further modalities of a run, from its figures `view.<name>.n_present` and the like."""
    parts = [(key.rpartition("."), key) for key in metrics if _MODALITY.fullmatch(key)]
    return [
        ModalityRow(
            head.split(".")[1],
            int(metrics[f"{head}.dim"]),
            int(metrics[key]),
            int(metrics[f"{head}.n_missing"]),
        )
        for (head, _, _), key in parts
    ]


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
    extremes = _rows(lake, "extremes", run=run_id, count=_EXTREMES)
    captioned = _rows(lake, "distrusted", run=run_id, count=_EXTREMES)
    keys = {key for keys in shown.values() for key in keys}
    keys |= {row["key"] for row in [*extremes, *captioned]}
    pictures = _pictures(lake, run_id, sorted(keys))

    metrics = {row["name"]: row["value"] for row in _rows(lake, "metrics", run=run_id)}
    trained = _rows(lake, "training", run=run_id)

    def of_kind(kind: str) -> list[Picture]:
        found = [pictures[row["key"]] for row in extremes if row["kind"] == kind]
        return sorted(found, key=lambda p: (p.distance, p.place.key), reverse=kind == "unusual")

    return ReportData(
        run=run,
        clusters=[_cluster(row, pictures, shown.get(row["cluster"], [])) for row in rows],
        n_cards=n_cards,
        typical=of_kind("typical"),
        unusual=of_kind("unusual"),
        weights={k: w for k, w in _rows(lake, "weights", run=run_id)[0].items() if w},
        failures=_rows(lake, "failures", run=run_id),
        metrics=metrics,
        changes=_rows(lake, "changes", run=run_id),
        training={row["name"]: row["figures"] for row in trained},
        candidates=_rows(lake, "candidates", run=run_id),
        counts=_rows(lake, "counts", run=run_id),
        tree=tree_of(_rows(lake, "tree", run=run_id)),
        distrusted=[
            Captioned(pictures[row["key"]], row["caption"], row["weight"])
            for row in captioned
            if row["key"] in pictures
        ],
    )


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


def _cluster(row: dict[str, Any], pictures: dict[str, Picture], keys: list[str]) -> Cluster:
    return Cluster(
        cluster=row["cluster"],
        id=row["cluster_id"],
        name=row["name"] or f"cluster {row['cluster_id']}",
        size=row["size"],
        share=row["share"],
        caption=row["caption"],
        mean_distance=row["mean_distance"],
        nouns=[(noun["term"], noun["mass"]) for noun in row["nouns"] or []],
        label=row["label"],
        label_share=row["label_share"],
        pictures=[pictures[key] for key in keys if key in pictures],
        suggested=row["suggested_name"],
    )

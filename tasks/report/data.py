"""What a report says: small tables, never N rows."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sortal.configs.errors import counted
from sortal.tasks.choose.words import lead_of
from sortal.tasks.naming.about import about_names, unnamed_words, written_words
from sortal.tasks.report.labels import Confusion
from sortal.tasks.report.thumbnails import LARGE, SMALL, TINY, Place

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
    more: list[Picture] = field(default_factory=list)  # a contact sheet
    suggested: str | None = None  # what it would be called now, where its kept name does not fit
    named: bool = True
    written_by: str | None = None  # who wrote its name, where it was not found

    @property
    def short(self) -> str:
        """Its name, where its size stands beside."""
        return self.name if self.named or self.cluster < 0 else "unnamed"

    @property
    def title(self) -> str:
        """Its name, or what stands for one."""
        if self.cluster < 0:
            are = "is" if self.size == 1 else "are"
            return f"no kind: {counted(self.size, 'image')} that {are} in none"
        return self.name if self.named else f"unnamed: {counted(self.size, 'image')} like these"


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


class Suspect(NamedTuple):
    """An image whose label is not the one that most of its kind have."""

    picture: Picture
    label: str
    expected: str


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
    confusion: Confusion | None = None  # None without labels
    suspects: list[Suspect] = field(default_factory=list)  # nearest to their kind first

    @property
    def kinds(self) -> list[Cluster]:
        """The clusters without what is last where images are in none: these images."""
        return [cluster for cluster in self.clusters if cluster.cluster >= 0]

    @property
    def kindless(self) -> Cluster | None:
        """The images that are in no cluster, where there are such."""
        return next((cluster for cluster in self.clusters if cluster.cluster < 0), None)

    @property
    def about_names(self) -> str:
        """What names mean, given the encoder, and how many kinds have none."""
        unnamed = sum(not kind.named for kind in self.kinds if kind.size)
        writers = [kind.written_by for kind in self.kinds if kind.written_by]
        more = (
            unnamed_words(unnamed, len(self.kinds), any(kind.nouns for kind in self.kinds)),
            written_words(len(writers), writers[0] if writers else None),
        )
        about = about_names(self.run["encoder"], self.run.get("criterion"))
        return " ".join([about, *(f"{words}." for words in more if words)])

    @property
    def labelled(self) -> bool:
        """Whether the clusters could be compared with labels."""
        return "acc" in self.metrics

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The candidate by which images were compared, where that was chosen."""
        return next((row for row in self.candidates if row["chosen"]), None)

    @property
    def lead(self) -> str | None:
        """How the way taken compares with its best rival, in words."""
        return lead_of(self.candidates)

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
        found = [each.picture for each in self.distrusted] + [s.picture for s in self.suspects]
        sheets = [picture for cluster in self.clusters for picture in cluster.more]
        shown = [*cards, *self.typical, *self.unusual, *found, *sheets]
        return [picture.place for picture in shown]

    def sizes(self) -> dict[str, int]:
        """Pixels of each thumbnail: the first of a card is large, those of a sheet are tiny."""
        sizes = {picture.place.key: TINY for c in self.clusters for picture in c.more}
        sizes |= {place.key: SMALL for place in self.places() if place.key not in sizes}
        firsts = {c.pictures[0].place.key: LARGE for c in self.clusters if c.pictures}
        return sizes | firsts


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

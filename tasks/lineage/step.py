"""Lineage: a cluster keeps its id and name from run to run, and what became of it is recorded.

Matching is arithmetic (`matching.py`); here the last run comes out of the lake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sortal.configs.lineage import LineageConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.rows import FloatArray
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, NO_KIND
from sortal.tasks.corpora.corpus import bare, read_corpus
from sortal.tasks.lineage.matching import (
    EVENTS,
    Before,
    Change,
    Kindless,
    changes,
    match,
)
from sortal.tasks.lineage.previous_run import Pinned
from sortal.tasks.naming.synonyms import singular
from sortal.tasks.naming.words import base, told_apart
from sortal.tasks.step import optional, step

LINEAGE = pa.schema(
    [
        ("cluster", pa.int32()),
        ("stable_id", pa.int64()),
        ("name", pa.string()),
        ("event", pa.string()),
        ("related", pa.list_(pa.int64())),
        ("size", pa.int64()),
        ("previous_size", pa.int64()),
        ("shared", pa.int64()),
        ("came", pa.int64()),
        ("went", pa.int64()),
        ("overlap", pa.float64()),
        ("written_by", pa.string()),
    ]
)


def keep_names(
    fresh: Sequence[str | None],
    kept: Mapping[int, str],
    tellers: Mapping[int, Sequence[str]],
    taken: Sequence[str] = (),
) -> list[str | None]:
    """Names of all clusters, no two alike: those `kept`, by cluster, and `fresh` ones.

    A fresh name that is one of the kept or `taken` is told apart by one of the cluster's `tellers`:
    words for kinds of its noun, or for what they are made of or in.
    Who has neither stays unnamed.
    """
    used = {singular(name) for name in (*kept.values(), *taken)}
    names = []
    for cluster, own in enumerate(fresh):
        name = kept.get(cluster) or (own and _free(own, tellers.get(cluster, ()), used))
        names.append(name or None)
        if name:
            used.add(singular(name))
    return names


def _free(name: str, words: Sequence[str], used: set[str]) -> str:
    noun = base(name)
    others = [told_apart(noun, word) for word in words if singular(word) != singular(noun)]
    counted = (f"{noun}: {number}" for number in range(2, len(used) + 3))
    return next(word for word in (name, *others, *counted) if singular(word) not in used)


def table_of(
    rows: Sequence[Change],
    names: Sequence[str | None],
    past: Mapping[int, str],
    writers: Sequence[str | None] = (),
) -> pa.Table:
    """The rows of `lineage.parquet`; `past` names the clusters that vanished, by stable id.

    `writers` are those who wrote the `names`, where somebody did.
    """
    out: list[dict[str, Any]] = [
        {**row._asdict(), "name": past.get(row.stable_id) if row.cluster is None else names[i]}
        for i, row in enumerate(rows)
    ]
    for row, writer in zip(out, writers, strict=False):
        row["written_by"] = writer
    return pa.Table.from_pylist(out, schema=LINEAGE)


@dataclass(frozen=True, kw_only=True)
class TraceInputs:
    """Inputs of `trace`."""

    partition: Artifact
    names: Artifact
    previous: str | None
    next_id: int
    warm: bool
    config: LineageConfig
    earlier: Artifact | None = optional()
    pinned: Pinned | None = None
    level: int | None = optional()
    words: Artifact | None = optional()


@step("lineage", TraceInputs, version=3)
def trace(folder: Path, workspace: Workspace, inputs: TraceInputs) -> Written:
    """Write `lineage.parquet` (columns: LINEAGE): this run's clusters, then those that vanished.

    `level`: of the tree, whose kinds are followed; None for the clusters. `previous` is a run in
    the lake, `earlier` its partition, where there is one. Names that are `pinned` are not given to
    other clusters. `words`: the corpus of nouns, where it is another than the previous run's; a
    name that was found then and that it does not say is not kept. A name that was found gives way
    to one that is written now; a written one is kept as any other. Facts: how many clusters met
    with each event, and `kept`, the share of the images of both runs that kept their stable id.
    """
    clusters = pq.read_table(inputs.names.file(workspace, "clusters.parquet"))  # none: last
    sizes = clusters["size"].to_numpy()
    before, known, shared, authors = _past(workspace, inputs, len(sizes))
    fresh = writers_of(clusters)
    lost = _unsaid(workspace, inputs.words, known) - authors.keys()
    past, present = _centres(workspace, inputs.earlier), _centres(workspace, inputs.partition)
    kindless = Kindless(
        before.stable_ids == NO_KIND, clusters["cluster"].to_numpy() == np.int32(NO_KIND)
    )
    partner = match(shared, _cosines(past, present, kindless), inputs.config, kindless)
    rows = changes(shared, partner, before, sizes, inputs.next_id, inputs.config)
    kept = {
        row.cluster: known[row.stable_id]
        for row in rows
        if row.cluster is not None
        and row.cluster != NO_KIND
        and partner[row.cluster] >= 0
        and row.stable_id in known.keys() - lost
        and (row.overlap is None or row.overlap >= inputs.config.keep_name)
        and (row.stable_id in authors or not fresh[row.cluster])
    }
    taken = (inputs.pinned or Pinned()).names.values()
    final = keep_names(clusters["name"].to_pylist(), kept, _tellers(clusters), list(taken))
    writers = [
        (authors.get(row.stable_id) if row.cluster in kept else fresh[i]) if final[i] else None
        for i, row in enumerate(rows[: len(final)])
    ]
    pq.write_table(table_of(rows, final, known, writers), folder / "lineage.parquet")
    facts = facts_of(rows, int(shared.sum()))
    return Written(
        rows=len(rows), facts={"previous": inputs.previous, "warm": inputs.warm, **facts}
    )


def _past(
    workspace: Workspace, inputs: TraceInputs, n_clusters: int
) -> tuple[Before, dict[int, str], NDArray[np.int64], dict[int, str]]:
    """The previous run's clusters, their names by stable id, the images shared (P, C).

    Last by whom names were written, of those that were.
    """
    none = np.empty(0, dtype=np.int64)
    if inputs.previous is None:
        return Before(none, none), {}, np.zeros((0, n_clusters), dtype=np.int64), {}
    place: dict[str, Any] = {"run": inputs.previous}
    of = "lineage/"
    if inputs.level:
        place["level"], of = inputs.level, "lineage/kinds_"
    assignments = str(inputs.partition.file(workspace, ASSIGNMENTS))
    with Lake(workspace, read_only=True) as lake:
        past = lake.query(sql(f"{of}before"), place)
        cells = lake.query(sql(f"{of}shared"), place | {"assignments": assignments})
    row = pc.index_in(cells["previous"], value_set=past["cluster"].combine_chunks()).to_numpy()
    shared = np.zeros((len(past), n_clusters), dtype=np.int64)
    shared[row, cells["cluster"].to_numpy()] = cells["n_images"].to_numpy()
    ids = past["stable_id"].to_numpy()
    named = zip(ids.tolist(), past["name"].to_pylist(), strict=True)
    known = {stable_id: name for stable_id, name in named if name}
    authors = {int(ids[i]): by for i, by in enumerate(writers_of(past)) if by}
    return Before(ids, past["size"].to_numpy()), known, shared, authors


def _unsaid(workspace: Workspace, words: Artifact | None, known: Mapping[int, str]) -> set[int]:
    """Whose names no noun of the corpus `words` says; nobody's without one."""
    if words is None:
        return set()
    texts = read_corpus(workspace, words, ["text"])["text"].to_pylist()
    said = {singular(bare(text).casefold()) for text in texts}
    return {each for each, name in known.items() if singular(base(name).casefold()) not in said}


def writers_of(table: pa.Table) -> list[str | None]:
    """By whom the names of a table were written; None: they were found."""
    named = "written_by" in table.column_names
    found: list[str | None] = table["written_by"].to_pylist() if named else [None] * len(table)
    return found


def next_kind(workspace: Workspace, previous: str | None, level: int) -> int:
    """The first id that no kind of a level has had, in the previous run or one before it."""
    if previous is None:
        return 0
    with Lake(workspace, read_only=True) as lake:
        found = lake.execute(sql("lineage/kinds_next"), {"run": previous, "level": level})
        return int((found.fetchone() or (0,))[0])


def _centres(workspace: Workspace, artifact: Artifact | None) -> FloatArray | None:
    path = artifact.file(workspace, CENTRES) if artifact else None
    return np.load(path) if path and path.exists() else None


def _cosines(
    past: FloatArray | None, present: FloatArray | None, kindless: Kindless
) -> FloatArray | None:
    """Cosines (P, C) of the centres of two runs; images in no cluster have none, so 0."""
    if past is None or present is None or past.shape[1:] != present.shape[1:]:
        return None
    rows, columns = np.flatnonzero(~kindless.rows), np.flatnonzero(~kindless.columns)
    if len(past) != len(rows):
        return None
    found = np.zeros((len(kindless.rows), len(kindless.columns)), dtype=np.float32)
    found[np.ix_(rows, columns)] = normalise(past) @ normalise(present).T
    return found


def _tellers(clusters: pa.Table) -> dict[int, list[str]]:
    """The words that tell clusters from others of their noun; kinds of clusters have none."""
    if "tellers" not in clusters.column_names:
        return {}
    return {place: words or [] for place, words in enumerate(clusters["tellers"].to_pylist())}


def facts_of(rows: Sequence[Change], n_shared: int) -> dict[str, Any]:
    """How many clusters met with each event, and the share of common images that kept their id."""
    counts = {event: sum(row.event == event for row in rows) for event in EVENTS}
    stayed = sum(row.shared for row in rows)
    return {**counts, "n_shared": n_shared, "kept": stayed / n_shared if n_shared else 1.0}

"""The steps that make a tree: clusters are gathered into kinds, and levels are put together."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.storage.artifacts import Artifact, Written
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES
from sortal.tasks.corpora.bank import table_of
from sortal.tasks.corpora.corpus import read_corpus
from sortal.tasks.kinds.gather import gathered
from sortal.tasks.kinds.names import Part, Words, kind_names
from sortal.tasks.naming.words import base
from sortal.tasks.step import optional, step

NODES = "nodes.parquet"  # what the step `tree` writes
_NODES = pa.schema(
    {
        "level": pa.int32(),
        "node": pa.int32(),
        "parent": pa.int32(),
        "node_id": pa.int64(),
        "name": pa.string(),
        "size": pa.int64(),
    }
)


@dataclass(frozen=True, kw_only=True)
class GatherInputs:
    """Inputs of `gather_clusters`: a partition, and how many kinds the levels above it have.

    `counts` are descending; what is written is the last of these levels.
    """

    partition: Artifact
    counts: tuple[int, ...]


@step("kinds", GatherInputs)
def gather_clusters(folder: Path, workspace: Workspace, inputs: GatherInputs) -> Written:
    """Write a level as a partition is: `assignments.parquet`, `centres.npy`.

    The distance of an image stays that to the centre of its cluster. Facts: `of`, the kind of each
    cluster.
    """
    rows = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    centres = np.load(inputs.partition.file(workspace, CENTRES))
    clusters = rows["cluster"].to_numpy()
    sizes = np.bincount(clusters, minlength=len(centres))
    of = gathered(centres, sizes, inputs.counts)[-1]
    kinds = pa.array(of[clusters], pa.int32())
    table = rows.select(["key", "cluster", "distance"]).set_column(1, "cluster", kinds)
    pq.write_table(table, folder / ASSIGNMENTS)
    means = np.zeros((inputs.counts[-1], centres.shape[1]))
    np.add.at(means, of, centres * np.maximum(sizes, 1)[:, None])
    np.save(folder / CENTRES, normalise(means.astype(np.float32)))
    return Written(rows=len(table), facts={"of": of.tolist(), "n_kinds": inputs.counts[-1]})


@dataclass(frozen=True, kw_only=True)
class NameKindsInputs:
    """Inputs of `name_kinds`: a level, and the clusters' names as they are kept, if they are."""

    kinds: Artifact
    names: Artifact
    lineage: Artifact | None = optional()
    corpus: Artifact | None = optional()


@step("kind_names", NameKindsInputs, version=2)
def name_kinds(folder: Path, workspace: Workspace, inputs: NameKindsInputs) -> Written:
    """Write `clusters.parquet` (cluster, name, size) of the kinds of a level."""
    of: list[int] = inputs.kinds.facts["of"]
    named = list(_named(workspace, inputs.names, inputs.lineage))
    synsets = _synsets(workspace, inputs.corpus, [row["name"] for row in named if row["name"]])
    parts = [Part(row["name"], synsets.get(row["name"]), row["size"]) for row in named]
    kinds: dict[int, list[Part]] = {kind: [] for kind in range(inputs.kinds.facts["n_kinds"])}
    for place in sorted(range(len(parts)), key=lambda place: -parts[place].size):
        kinds[of[named[place]["node"]]].append(parts[place])
    names = kind_names(kinds, Words(table_of(workspace, inputs.corpus), set(synsets.values())))
    sizes = [sum(part.size for part in kinds[kind]) for kind in sorted(kinds)]
    numbers = pa.array(range(len(names)), pa.int32())
    pq.write_table(
        pa.table(
            {
                "cluster": numbers,
                "name": pa.array(names, pa.string()),
                "size": pa.array(sizes, pa.int64()),
            }
        ),
        folder / "clusters.parquet",
    )
    return Written(rows=len(names), facts={"names": names})


def _synsets(workspace: Workspace, corpus: Artifact | None, names: list[str]) -> dict[str, str]:
    """The synsets of those names that are nouns of the corpus."""
    if corpus is None:
        return {}
    nouns = [base(name) for name in names]
    table = read_corpus(workspace, corpus, ["text", "synset"])
    rows = table.filter(pc.is_in(table["text"], pa.array(nouns, pa.string()))).to_pydict()
    pairs = zip(rows["text"], rows["synset"], strict=True)
    known = {text: synset for text, synset in pairs if synset}
    return {name: known[noun] for name, noun in zip(names, nouns, strict=True) if noun in known}


@dataclass(frozen=True, kw_only=True)
class TreeInputs:
    """Inputs of `grow_tree`, by level from fine to coarse; `lineages` is empty without a past."""

    kinds: list[Artifact]
    names: list[Artifact]
    lineages: list[Artifact]


@step("tree", TreeInputs)
def grow_tree(folder: Path, workspace: Workspace, inputs: TreeInputs) -> Written:
    """Write `nodes.parquet`: a row for each cluster (level 0) and each kind above it.

    Clusters have their id, name and size elsewhere, and null here; the coarsest have no parent.
    """
    of = [kinds.facts["of"] for kinds in inputs.kinds]
    rows = [{"level": 0, "node": node, "parent": kind} for node, kind in enumerate(of[0])]
    for place, own in enumerate(of):
        above = dict(zip(own, of[place + 1], strict=True)) if place + 1 < len(of) else {}
        lineage = inputs.lineages[place] if inputs.lineages else None
        for row in _named(workspace, inputs.names[place], lineage):
            rows.append({"level": place + 1, "parent": above.get(row["node"]), **row})
    pq.write_table(pa.Table.from_pylist(rows, schema=_NODES), folder / NODES)
    return Written(rows=len(rows), facts={"levels": len(inputs.kinds) + 1})


def _named(
    workspace: Workspace, names: Artifact, lineage: Artifact | None
) -> Iterator[dict[str, Any]]:
    """Clusters or kinds: their number, the id that stays, name and size."""
    found = names.file(workspace, "clusters.parquet")
    if lineage:
        found = lineage.file(workspace, "lineage.parquet")
    table = pq.read_table(found)
    for row in table.filter(pc.is_valid(table["cluster"])).to_pylist():
        yield {
            "node": row["cluster"],
            "node_id": row.get("stable_id", row["cluster"]),
            "name": row["name"],
            "size": row["size"],
        }

"""Naming: what each cluster is called, from the texts that hold its transport mass.

A name must tell clusters apart, so a text counts by how much more of its mass lies in a cluster
than the collection as a whole would give it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.schema import NamingConfig, TransportConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES, labels_of
from sortal.tasks.naming.names import (
    Scores,
    choose_names,
    relative_scores,
    representatives,
    score_nouns,
    term_rows,
)
from sortal.tasks.selection.space import space_table
from sortal.tasks.step import step
from sortal.tasks.transport.inputs import transport_inputs
from sortal.tasks.transport.potential import POTENTIAL, Potential

_TERMS = pa.schema(
    {
        "cluster": pa.int32(),
        "corpus": pa.string(),
        "rank": pa.int32(),
        "term": pa.string(),
        "mass": pa.float32(),
        "score": pa.float32(),
    }
)


@dataclass(frozen=True, kw_only=True)
class NameClustersInputs:
    """Inputs of `name_clusters`."""

    images: Artifact
    partition: Artifact
    corpora: dict[str, Artifact]
    spaces: dict[str, Artifact]
    transports: dict[str, Artifact]
    config: NamingConfig
    transport: TransportConfig


@step("names", NameClustersInputs)
def name_clusters(folder: Path, workspace: Workspace, inputs: NameClustersInputs) -> Written:
    """Write `clusters.parquet` and `terms.parquet`; spaces are "noun" and "caption", or absent."""
    from sortal.tasks.transport.counterparts import cluster_mass

    assignments = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    n_clusters = len(np.load(inputs.partition.file(workspace, CENTRES), mmap_mode="r"))
    keys = pq.read_table(inputs.images.file(workspace, "index.parquet"), columns=["key"])["key"]
    labels = labels_of(keys, assignments)
    scores: dict[str, Scores] = {}
    for name, space in inputs.spaces.items():
        rows, texts, _ = transport_inputs(workspace, inputs.images, space, inputs.transport.centred)
        potential = Potential.load(inputs.transports[name].file(workspace, POTENTIAL))
        mass = cluster_mass(rows, texts, potential, labels, n_clusters)
        table = space_table(workspace, space, inputs.corpora.get(name))
        if name == "noun":
            scores[name] = score_nouns(table, mass, len(keys))
        else:
            scores[name] = Scores(table["text"].to_pylist(), *relative_scores(mass, len(keys)))
    clusters, terms = _tables(
        scores,
        representatives(assignments, n_clusters, inputs.config.representatives),
        inputs.config,
    )
    pq.write_table(clusters, folder / "clusters.parquet")
    pq.write_table(terms, folder / "terms.parquet")
    return Written(rows=n_clusters, facts={"names": clusters["name"].to_pylist()[:100]})


def _tables(
    scores: dict[str, Scores], clusters: pa.Table, config: NamingConfig
) -> tuple[pa.Table, pa.Table]:
    """The tables of `clusters.parquet` and `terms.parquet`."""
    n_clusters = len(clusters)
    nothing = Scores([], np.zeros((n_clusters, 0)), np.zeros((n_clusters, 0)))
    names = choose_names(scores.get("noun", nothing))
    counts = {"noun": config.terms, "caption": config.captions}
    rows = [row for name in scores for row in term_rows(name, scores[name], counts[name])]
    captions = {
        r["cluster"]: r["term"] for r in rows if r["corpus"] == "caption" and r["rank"] == 1
    }
    clusters = clusters.add_column(1, "name", pa.array(names, pa.string()))
    best = pa.array([captions.get(cluster) for cluster in range(n_clusters)], pa.string())
    return clusters.add_column(3, "caption", best), pa.Table.from_pylist(rows, schema=_TERMS)

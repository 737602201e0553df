"""Naming: what each cluster is called, where its images bear a name out.

Every noun of the corpus competes for every cluster; a name is as sure as its images, one by one,
and those of the most alike clusters put it ahead of every other thing. Below
`naming.min_confidence` a cluster has no name. docs/methods.md has the measure and its figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.modalities import NamingConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import FloatArray, read_all
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.assignments import ASSIGNMENTS, CENTRES
from sortal.tasks.corpora.bank import table_of
from sortal.tasks.corpora.corpus import read_corpus
from sortal.tasks.naming.apart import Teller, names_of, tellers_of
from sortal.tasks.naming.captions import Caption, best_captions, speaking_of
from sortal.tasks.naming.evidence import Evidence, Fits
from sortal.tasks.naming.margins import Margins, likeness
from sortal.tasks.naming.names import (
    Term,
    listed,
    noun_of,
    ranked,
    representatives,
    without_categories,
)
from sortal.tasks.naming.shown import Shown, shown_of
from sortal.tasks.naming.synonyms import Concepts, concepts_of, known_of
from sortal.tasks.step import step

_TERMS = pa.schema(
    {
        "cluster": pa.int32(),
        "corpus": pa.string(),
        "rank": pa.int32(),
        "term": pa.string(),
        "mass": pa.float32(),
        "score": pa.float32(),
        "confidence": pa.float32(),
    }
)


@dataclass(frozen=True, kw_only=True)
class NameClustersInputs:
    """Inputs of `name_clusters`: corpora and their vectors are "noun" and "caption", or absent."""

    images: Artifact
    partition: Artifact
    corpora: dict[str, Artifact]
    texts: dict[str, Artifact]
    config: NamingConfig


class Named(NamedTuple):
    """What naming finds, by cluster: names, their terms, the nouns behind them, all nouns.

    `tellers` may tell a cluster from others of its noun.
    """

    names: list[str | None]
    terms: list[list[Term]]
    nouns: list[Term | None]
    concepts: Concepts
    tellers: list[list[Teller]]


@step("names", NameClustersInputs, version=5)
def name_clusters(folder: Path, workspace: Workspace, inputs: NameClustersInputs) -> Written:
    """Write `clusters.parquet` and `terms.parquet`; a cluster without a sure name has none."""
    assignments = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    n_clusters = len(np.load(inputs.partition.file(workspace, CENTRES), mmap_mode="r"))
    named = _given([None] * n_clusters)
    captions: list[list[Caption]] = [[]] * n_clusters
    if inputs.texts and n_clusters:
        shown = shown_of(workspace, inputs.images, assignments, n_clusters, inputs.config.sample)
        if "noun" in inputs.texts:
            named = _names(workspace, inputs, shown)
        if "caption" in inputs.texts and inputs.config.captions:
            captions = _captions(workspace, inputs, shown, named)
    clusters = representatives(assignments, n_clusters, inputs.config.representatives)
    pq.write_table(_clusters(clusters, named, captions), folder / "clusters.parquet")
    pq.write_table(_term_rows(named, captions, inputs.config), folder / "terms.parquet")
    return Written(rows=n_clusters, facts={"names": named.names[:100]})


def write_names(
    folder: Path, assignments: pa.Table, names: list[str], config: NamingConfig
) -> None:
    """Write the files of `name_clusters` for clusters whose names are given, with no terms."""
    named = _given(names)
    captions: list[list[Caption]] = [[]] * len(names)
    clusters = representatives(assignments, len(names), config.representatives)
    pq.write_table(_clusters(clusters, named, captions), folder / "clusters.parquet")
    pq.write_table(_term_rows(named, captions, config), folder / "terms.parquet")


_NONE = pa.table({"text": pa.array([], pa.string())})


def _given(names: Sequence[str | None]) -> Named:
    """Clusters of these names, of which nothing else is known."""
    count = len(names)
    return Named([*names], [[]] * count, [None] * count, concepts_of(_NONE), [[]] * count)


def _texts(
    workspace: Workspace, inputs: NameClustersInputs, name: str
) -> tuple[pa.Table, FloatArray]:
    """A corpus in the order of its vectors, and these, of shape (M, d)."""
    vectors = open_vectors(workspace, inputs.texts[name])
    corpus = read_corpus(workspace, inputs.corpora[name])
    places = pc.index_in(vectors.key_column, value_set=corpus["key"].combine_chunks())
    return corpus.take(places), read_all(vectors)


def _names(workspace: Workspace, inputs: NameClustersInputs, shown: Shown) -> Named:
    corpus, texts = _texts(workspace, inputs, "noun")
    known = known_of(table_of(workspace, inputs.corpora["noun"], alone=True))
    concepts = concepts_of(corpus, known)
    evidence = Evidence(Fits(texts, shown.mean, inputs.config), concepts)
    alike = likeness(shown.centres, shown.sizes, shown.mean, inputs.config)
    margins = Margins(evidence, shown.vectors, shown.labels, alike)
    terms = ranked(evidence, shown.centres, shown.sizes, alike, margins)
    least = inputs.config.min_confidence
    nouns = without_categories([noun_of(own, concepts, least) for own in terms], concepts)
    tellers = [
        tellers_of(margins, concepts, cluster, noun.concept, least)
        if noun and noun.concept < concepts.n_own  # no kind is sure of a word that no noun says
        else []
        for cluster, noun in enumerate(nouns)
    ]
    return Named(names_of(nouns, tellers, margins), terms, nouns, concepts, tellers)


def _captions(
    workspace: Workspace, inputs: NameClustersInputs, shown: Shown, named: Named
) -> list[list[Caption]]:
    corpus, texts = _texts(workspace, inputs, "caption")
    fits = Fits(texts, shown.mean, inputs.config)
    all_texts = corpus["text"].to_pylist()
    found = best_captions(fits, all_texts, shown.vectors, shown.labels, len(shown.sizes))
    least, count = inputs.config.min_caption, inputs.config.captions
    return [
        speaking_of(own, noun, named.concepts, least)[:count]
        for own, noun in zip(found, named.nouns, strict=True)
    ]


def _clusters(clusters: pa.Table, named: Named, captions: Sequence[Sequence[Caption]]) -> pa.Table:
    """The table of `clusters.parquet`; an unnamed cluster has the confidence of its best noun."""
    best = [
        noun or next(iter(terms), None)
        for noun, terms in zip(named.nouns, named.terms, strict=True)
    ]
    sure = pa.array([term.confidence if term else None for term in best], pa.float32())
    shown = pa.array([own[0].text if own else None for own in captions], pa.string())
    words = [[teller.word for teller in own] for own in named.tellers]
    of_each = {
        "name": pa.array(named.names, pa.string()),
        "caption": shown,
        "confidence": sure,
        "tellers": pa.array(words, pa.list_(pa.string())),
    }
    if len(clusters) > len(named.names):  # images in no cluster have a row without any of it
        of_each = {name: pa.concat_arrays([own, pa.nulls(1, own.type)])
                   for name, own in of_each.items()}  # fmt: skip
    clusters = clusters.add_column(1, "name", of_each["name"])
    clusters = clusters.add_column(3, "caption", of_each["caption"])
    clusters = clusters.append_column("name_confidence", of_each["confidence"])
    return clusters.append_column("tellers", of_each["tellers"])


def _term_rows(
    named: Named, captions: Sequence[Sequence[Caption]], config: NamingConfig
) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for cluster, own in enumerate(captions):
        terms = listed(named.terms[cluster], named.nouns[cluster], named.concepts, config.terms)
        nouns = [(term.word, term.share, term.score, term.confidence) for term in terms]
        said = [(caption.text, caption.fits, caption.more, caption.fits) for caption in own]
        for corpus, found in (("noun", nouns), ("caption", said)):
            rows += [
                dict(zip(_TERMS.names, (cluster, corpus, rank, *values), strict=True))
                for rank, values in enumerate(found, start=1)
            ]
    return pa.Table.from_pylist(rows, schema=_TERMS)

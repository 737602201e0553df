"""Nouns: the one that says most of a cluster while its images bear it out, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.clustering.assignments import NO_KIND
from sortal.tasks.naming.evidence import Evidence
from sortal.tasks.naming.margins import Margins
from sortal.tasks.naming.synonyms import Concepts, singular

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_CANDIDATES = 40  # nouns of each cluster that are looked at closely
_GENERAL = 0.01  # [infer] share of all concepts below a noun, up to which it is special
_OTHERS = 2  # [infer] nouns of clusters that make what they are kinds of a category, not a name
_LEVELS = 2  # of WordNet, that a word may be above the noun that images say
_MOST = 0.5  # share of the collection above which a word tells little in it
_MORE = 0.5  # [infer] images more that bear nothing out
_BLOCK = 256  # clusters at a time


@dataclass(frozen=True)
class Term:
    """A noun for a cluster: its share of the evidence, its score, and how sure it is, in [0, 1].

    `usual` is its share of the collection's evidence.
    """

    concept: int
    word: str
    share: float
    score: float
    confidence: float
    usual: float = 0.0


def scores_of(
    shares: NDArray[np.floating], overall: NDArray[np.floating], concepts: Concepts
) -> NDArray[np.float64]:
    """Scores (C, K) of `shares` (C, K): s log(s / sqrt(o r)) x weights, in nats.

    o is the concept's share in the collection's clusters as a whole (`overall`, (K,)), and r its
    share of all concepts, which is what random nouns would give it.
    """
    tiny = np.finfo(np.float32).tiny
    own = np.maximum(np.asarray(shares, dtype=np.float64), tiny)
    usual = np.log(np.maximum(overall, tiny)) + np.log(concepts.shares)
    return own * (np.log(own) - usual / 2) * concepts.weights


def ranked(
    evidence: Evidence,
    centres: FloatArray,
    sizes: NDArray[np.int64],
    alike: "csr_matrix",
    margins: Margins,
) -> list[list[Term]]:
    """The best nouns of each cluster, best first, from mean vectors `centres` (C, d).

    Evidence is mixed as `alike` (C, C) says. A term is as sure as its margin, with half an image
    more that bears nothing out: few images say little. An empty cluster has none.
    """
    overall = np.zeros(len(evidence.concepts.names))
    counted = alike.T @ sizes
    for part, shares in evidence.shares(centres):
        overall += counted[part] @ shares
    overall /= max(sizes.sum(), 1)
    found: list[list[Term]] = []
    for start in range(0, len(centres), _BLOCK):
        mixed = alike[start : start + _BLOCK]
        near = np.unique(mixed.indices)
        each = np.concatenate([own for _, own in evidence.shares(centres[near])])
        shares = mixed[:, near] @ each
        scores = scores_of(shares, overall, evidence.concepts)
        for row in range(len(shares)):
            size = sizes[start + row]
            own = _best(scores[row]) if size else np.empty(0, dtype=np.int64)
            sure = margins.of(start + row, own) * (size / (size + _MORE))
            found.append(_terms(evidence.concepts, own, shares[row], overall, scores[row], sure))
    return found


def _best(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    order = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    return order[scores[order] > 0]


def _terms(
    concepts: Concepts,
    nouns: NDArray[np.int64],
    shares: NDArray[np.floating],
    overall: NDArray[np.floating],
    scores: NDArray[np.float64],
    sure: NDArray[np.floating],
) -> list[Term]:
    return [
        Term(
            concept=noun,
            word=concepts.names[noun],
            share=float(shares[noun]),
            score=float(scores[noun]),
            confidence=float(confidence),
            usual=float(overall[noun]),
        )
        for noun, confidence in zip(nouns.tolist(), sure, strict=True)
    ]


def noun_of(terms: Sequence[Term], concepts: Concepts, least: float) -> Term | None:
    """The best special noun that is sure enough; else the best noun of all, where it is.

    Else a word for what the best noun is a kind of, where no noun says that.
    """
    general = concepts.shares
    nouns = [term for term in terms if term.concept < concepts.n_own]
    sure = [term for term in nouns if term.confidence >= least]
    special = next((term for term in sure if general[term.concept] <= _GENERAL), None)
    if special or not nouns or nouns[0] in sure:
        return special or next(iter(sure), None)
    return _broader(nouns[0], [term for term in terms if term.confidence >= least], concepts)


def _broader(noun: Term, sure: Sequence[Term], concepts: Concepts) -> Term | None:
    """The most special of the sure words that no noun says, at most two levels above a noun.

    None for a noun that is not special, and no word for what most of the collection is.
    """
    if concepts.shares[noun.concept] > _GENERAL:
        return None
    over = concepts.over(noun.concept)
    least = concepts.depth[noun.concept] - _LEVELS
    found = [
        term
        for term in sure
        if term.concept in over
        and term.concept >= concepts.n_own
        and concepts.depth[term.concept] >= least
        and term.usual <= _MOST
    ]
    return min(found, key=lambda term: float(concepts.shares[term.concept]), default=None)


def without_categories(nouns: Sequence[Term | None], concepts: Concepts) -> list[Term | None]:
    """The nouns, without broad ones that two other nouns of clusters are kinds of.

    Animal, beside dog and squirrel, says what the kinds have in common, not which one this is.
    """
    found = {noun.concept for noun in nouns if noun}
    kept: list[Term | None] = []
    for noun in nouns:
        is_broad = (
            noun and noun.concept < concepts.n_own and (concepts.shares[noun.concept] > _GENERAL)
        )
        many = noun and is_broad and len(found & concepts.kinds_of(noun.concept)) > _OTHERS
        kept.append(None if many else noun)
    return kept


def listed(terms: Sequence[Term], noun: Term | None, concepts: Concepts, count: int) -> list[Term]:
    """The noun and the best other terms, `count` in all.

    Without those that are above, or read like, a better one, and without words that no noun says.
    """
    said: set[int] = set()
    words: set[str] = set()
    found: list[Term] = []
    nouns = (term for term in terms if term.concept < concepts.n_own)
    for term in [*([noun] if noun else []), *nouns]:
        if term.concept not in said and singular(term.word) not in words:
            found.append(term)
            words.add(singular(term.word))
            said |= concepts.over(term.concept)
    return found[:count]


def representatives(assignments: pa.Table, n_clusters: int, count: int) -> pa.Table:
    """Size, mean distance and the `count` keys nearest to the centre, for every cluster.

    Row c is cluster c; an empty one has size 0, a null distance and no keys. Where images are in no
    cluster, the last row is theirs.
    """
    order = [("cluster", "ascending"), ("distance", "ascending"), ("key", "ascending")]
    rows = assignments.take(pc.sort_indices(assignments, sort_keys=order))
    cluster = rows["cluster"].to_numpy()
    distance = rows["distance"].to_numpy().astype(np.float64)
    edges = np.searchsorted(cluster, np.arange(n_clusters + 1))
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    clusters = list(range(n_clusters))
    if edges[0]:
        clusters, spans = [*clusters, NO_KIND], [*spans, (0, int(edges[0]))]
    means = [float(distance[a:b].mean()) if b > a else None for a, b in spans]
    keys = [rows["key"].slice(a, min(count, b - a)).to_pylist() for a, b in spans]
    return pa.table(
        {
            "cluster": pa.array(clusters, pa.int32()),
            "size": pa.array([b - a for a, b in spans], pa.int64()),
            "mean_distance": pa.array(means, pa.float32()),
            "representatives": pa.array(keys, pa.list_(pa.string())),
        }
    )

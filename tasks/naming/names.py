"""Names: one term a cluster, the one that tells it best from the others, no two alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.naming.synonyms import Concepts, concepts_of, singular

_CANDIDATES = 10  # nouns of each cluster that compete to be its name
_COMPOSED = 0.5  # [infer] below this share of its best score, a noun is worse than "best (second)"


@dataclass(frozen=True)
class Scores:
    """How well each of K terms describes each of C clusters.

    `share` of shape (C, K) is p(term | cluster); `score` of shape (C, K) is positive where the
    term says something of the cluster.
    """

    terms: list[str]
    share: NDArray[np.float64]
    score: NDArray[np.float64]

    def top(self, cluster: int, count: int) -> list[int]:
        """At most `count` terms of positive score, best first; ties by the terms' order."""
        order = np.argsort(-self.score[cluster], kind="stable")[:count]
        return [int(term) for term in order if self.score[cluster, term] > 0]


def relative_scores(
    mass: NDArray[np.floating], n_images: int, weights: NDArray[np.float64] | float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """p(t|c) and p(t|c) log(p(t|c) / p(t)) x weights, both of shape (C, K), in nats.

    The score is the term's part of the divergence between the cluster and the collection. One
    image's worth of the collection's own distribution is added to every cluster, so that a tiny
    cluster does not get a name by accident [infer]. `mass` of shape (C, K) has any scale.
    """
    mass = np.asarray(mass, dtype=np.float64)
    one = mass.sum() / max(n_images, 1)
    overall = mass.sum(axis=0) / max(mass.sum(), np.finfo(float).tiny)
    held = mass.sum(axis=1, keepdims=True) + one
    share = (mass + one * overall) / np.where(held > 0, held, 1)
    used = (share > 0) & (overall > 0)
    ratio = np.divide(share, overall, out=np.ones_like(share), where=used)
    return share, share * np.log(ratio) * weights


def score_nouns(nouns: pa.Table, mass: FloatArray, n_images: int) -> Scores:
    """Scores of the concepts behind nouns (text, synset, depth, frequency) of mass (C, M)."""
    concepts: Concepts = concepts_of(nouns, mass.sum(axis=0))
    share, score = relative_scores(concepts.pool(mass), n_images, concepts.weights)
    return Scores(concepts.names, share, score)


def choose_names(scores: Scores) -> list[str]:
    """One name a cluster, no two alike; the sum of the names' relative scores is the highest.

    Terms that differ only in number or case count as one name. Where the nouns left are much
    worse than a cluster's best, it is called "best (second)"; where it has none, "cluster 1".
    """
    n_clusters = len(scores.score)
    tops = [scores.top(cluster, _CANDIDATES) for cluster in range(n_clusters)]
    words = sorted({singular(scores.terms[term]) for top in tops for term in top})
    column = {name: i for i, name in enumerate(words)}
    value = np.full((n_clusters, len(words) + n_clusters), -1.0)
    term_of: dict[tuple[int, int], int] = {}
    for cluster, top in enumerate(tops):
        value[cluster, len(words) + cluster] = _COMPOSED if top else 0.0
        for term in reversed(top):
            place = column[singular(scores.terms[term])]
            value[cluster, place] = scores.score[cluster, term] / scores.score[cluster, top[0]]
            term_of[cluster, place] = term
    from scipy.optimize import linear_sum_assignment  # half a second that an unchanged run spares

    places = linear_sum_assignment(value, maximize=True)[1]
    chosen = [term_of.get((cluster, int(place))) for cluster, place in enumerate(places)]
    return _written(scores, tops, chosen)


def _written(
    scores: Scores, tops: Sequence[Sequence[int]], chosen: Sequence[int | None]
) -> list[str]:
    names = [None if term is None else scores.terms[term] for term in chosen]
    taken = {name for name in names if name}
    for cluster, top in enumerate(tops):
        if names[cluster] is None:
            name = (
                _composed([scores.terms[term] for term in top], taken) or f"cluster {cluster + 1}"
            )
            names[cluster] = name
            taken.add(name)
    return [name or "" for name in names]


def _composed(words: Sequence[str], taken: set[str]) -> str | None:
    if not words:
        return None
    seconds = [*words[1:], *(str(number) for number in range(2, len(taken) + 3))]
    return next(n for n in (f"{words[0]} ({second})" for second in seconds) if n not in taken)


def representatives(assignments: pa.Table, n_clusters: int, count: int) -> pa.Table:
    """Size, mean distance and the `count` keys nearest to the centre, for every cluster.

    Row c is cluster c; an empty one has size 0, a null distance and no keys.
    """
    order = [("cluster", "ascending"), ("distance", "ascending"), ("key", "ascending")]
    rows = assignments.take(pc.sort_indices(assignments, sort_keys=order))
    cluster = rows["cluster"].to_numpy()
    distance = rows["distance"].to_numpy().astype(np.float64)
    edges = np.searchsorted(cluster, np.arange(n_clusters + 1))
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    means = [float(distance[a:b].mean()) if b > a else None for a, b in spans]
    keys = [rows["key"].slice(a, min(count, b - a)).to_pylist() for a, b in spans]
    return pa.table(
        {
            "cluster": pa.array(range(n_clusters), pa.int32()),
            "size": pa.array([b - a for a, b in spans], pa.int64()),
            "mean_distance": pa.array(means, pa.float32()),
            "representatives": pa.array(keys, pa.list_(pa.string())),
        }
    )


def term_rows(corpus: str, scores: Scores, count: int) -> list[dict]:
    """Rows of `terms.parquet`: each cluster's best `count` terms with rank, share and score."""
    return [
        {
            "cluster": cluster,
            "corpus": corpus,
            "rank": rank,
            "term": scores.terms[term],
            "mass": scores.share[cluster, term],
            "score": scores.score[cluster, term],
        }
        for cluster in range(len(scores.score))
        for rank, term in enumerate(scores.top(cluster, count), start=1)
    ]

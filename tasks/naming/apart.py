"""What tells clusters of one noun apart: a kind of it, or what it is made of, looks like or is in.

Never another thing: a name "cat: dog" would say that the cluster holds dogs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from typing import NamedTuple

import numpy as np

from sortal.tasks.naming.margins import Margins
from sortal.tasks.naming.names import Term
from sortal.tasks.naming.synonyms import Concepts, singular
from sortal.tasks.naming.words import told_apart

_PART = 1 / 3  # [infer] of the noun's evidence: what tells a cluster has at least so much
_AS_MUCH = 0.9  # [infer] of what the cluster of the noun has that has most of it
_TRACE = 1e-3  # [infer] a share that is as good as none


class Teller(NamedTuple):
    """What may tell a cluster from others of its noun, and its share of the noun's evidence."""

    word: str
    concept: int
    share: float


def tellers_of(
    margins: Margins, concepts: Concepts, cluster: int, noun: int, least: float
) -> list[Teller]:
    """Kinds and qualities of a cluster's noun that are sure, those with most evidence first.

    A kind must be ahead of all other kinds, a quality of all other qualities, as sure as `least`
    of the cluster's own images.
    """
    found = []
    kinds = margins.kinds_of(noun)
    others = concepts.qualities - kinds - concepts.over(noun)
    for among in (kinds, others):
        shares = margins.shares(cluster, noun, among)
        likely = [each for each, share in shares.items() if share >= _PART]
        sure = margins.of_its_own(cluster, np.array(likely, dtype=np.int64), among)
        found += [
            Teller(concepts.names[each], each, shares[each])
            for each, confidence in zip(likely, sure.tolist(), strict=True)
            if confidence >= least
            and singular(concepts.names[each]) != singular(concepts.names[noun])
        ]
    return sorted(found, key=lambda teller: -teller.share)


def names_of(
    nouns: Sequence[Term | None], tellers: Sequence[Sequence[Teller]], margins: Margins
) -> list[str | None]:
    """A name for each cluster that has a noun, no two alike."""
    groups: dict[str, list[int]] = {}
    for cluster, noun in enumerate(nouns):
        if noun:
            groups.setdefault(singular(noun.word), []).append(cluster)
    names: list[str | None] = [None] * len(nouns)
    for clusters in groups.values():
        first = nouns[clusters[0]]
        if first and len(clusters) == 1:
            names[clusters[0]] = first.word
        elif first:
            found = {cluster: tellers[cluster] for cluster in clusters}
            for cluster, name in _apart(first, found, margins).items():
                names[cluster] = name
    return names


def _apart(noun: Term, tellers: Mapping[int, Sequence[Teller]], margins: Margins) -> dict[int, str]:
    """Names of the clusters of one noun, each with the teller that most sets it apart.

    One that all of them have tells nothing. Those that nothing tells apart are numbered.
    """
    have = Counter(teller.concept for own in tellers.values() for teller in own)
    telling = {concept for concept, count in have.items() if count < len(tellers)}
    shares = {cluster: margins.shares(cluster, noun.concept, telling) for cluster in tellers}
    best = {one: max(found.get(one, 0.0) for found in shares.values()) for one in telling}
    names: dict[int, str] = {}
    for cluster, own in tellers.items():
        others = [found for one, found in shares.items() if one != cluster]
        fit = [each for each in own if each.share >= _AS_MUCH * best.get(each.concept, np.inf)]
        if fit:
            teller = max(fit, key=lambda each: _telling(each, others))
            names[cluster] = told_apart(noun.word, teller.word)
    return _numbered(noun.word, names, tellers)


def _telling(teller: Teller, others: Sequence[Mapping[int, float]]) -> float:
    """How much a teller tells a cluster from others, whose shares of each these are; in nats."""
    usual = float(np.mean([found.get(teller.concept, 0.0) for found in others]))
    return teller.share * float(np.log(teller.share / max(usual, _TRACE)))


def _numbered(noun: str, names: Mapping[int, str], clusters: Iterable[int]) -> dict[int, str]:
    """These names, no two alike: "shirt: polo", "shirt: polo 2"; "shirt: 1" for what has none."""
    used: set[str] = set()
    found: dict[int, str] = {}
    for cluster in clusters:
        name = names.get(cluster)
        first = [name] if name else []
        counted = (f"{name} {n}" if name else f"{noun}: {n}" for n in count(2 if name else 1))
        found[cluster] = next(each for each in chain(first, counted) if singular(each) not in used)
        used.add(singular(found[cluster]))
    return found

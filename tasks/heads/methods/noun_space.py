"""The semantic space of a head: the nouns near the collection's C centres, not too general.

MCA's filter by WordNet's hierarchy (METHODS.md 4.1, read as in 4.2) on top of SIC's space.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortal.configs.heads import McaConfig
from sortal.storage.rows import FloatArray, Rows
from sortal.tasks.corpora import wordnet
from sortal.tasks.selection.rank import rank_texts

log = logging.getLogger("sortal")


@dataclass(frozen=True)
class Hierarchy:
    """Where nouns stand in WordNet: for each noun its synset (None: unknown) and its depth.

    `above` holds for each of these synsets all that lie above it.
    """

    synsets: Sequence[str | None]
    depths: Sequence[int | None]
    above: dict[str, frozenset[str]]

    @classmethod
    def of(cls, synsets: Sequence[str | None], depths: Sequence[int | None]) -> "Hierarchy":
        """The hierarchy over nouns, in the order of the nouns' vectors."""
        known = {synset for synset in synsets if synset is not None}
        above = wordnet.ancestors(wordnet.read_embedded(), known) if known else {}
        return cls(synsets, depths, above)


@dataclass(frozen=True)
class NounSpace:
    """The nouns kept: `numbers`, ascending row numbers, and counts of what was left out.

    `lists`: for each centre its nouns as row numbers, the nearest first; lists may overlap.
    """

    numbers: NDArray[np.int64]
    lists: list[NDArray[np.int64]]
    facts: dict[str, Any]


def noun_space(
    centres: FloatArray,
    nouns: Rows | FloatArray,
    config: McaConfig,
    hierarchy: Hierarchy | None = None,
) -> NounSpace:
    """The semantic space of image centres of shape (C, dim) among `nouns` of shape (M, dim).

    In this order: the `centre_nouns` nouns of the largest cosine to each centre (gamma_r); of
    these, where a `hierarchy` is given, none that is above another one of the same centre; and at
    most `kept_nouns` (k_S) a centre: the nearest, or the shallowest in WordNet. Without the last
    two this is SIC's space.

    A hierarchy that knows no noun filters nothing: the fact `hierarchy` is then "skipped".
    """
    ranked = rank_texts(centres, nouns, method="nearest", top_k=config.centre_nouns)
    near = [ranked.text[ranked.centre == centre] for centre in range(len(centres))]
    use = _usable(hierarchy)
    specific = [_without_ancestors(numbers, use) for numbers in near] if use else near
    lists = [_trimmed(numbers, hierarchy, config) for numbers in specific]
    facts = {
        "n_near": _count(near),
        "n_ancestors": _count(near) - _count(specific),
        "n_trimmed": _count(specific) - _count(lists),
        "hierarchy": "off" if hierarchy is None else "on" if use else "skipped",
    }
    return NounSpace(np.unique(np.concatenate(lists)), lists, facts)


def _usable(hierarchy: Hierarchy | None) -> Hierarchy | None:
    if hierarchy is None or any(synset is not None for synset in hierarchy.synsets):
        return hierarchy
    log.warning("heads: no noun has a synset, so the hierarchy filter is skipped")
    return None


def _without_ancestors(numbers: NDArray[np.int64], hierarchy: Hierarchy) -> NDArray[np.int64]:
    """`numbers` without nouns whose synset lies above that of another one of them."""
    synsets = [hierarchy.synsets[number] for number in numbers]
    general = frozenset().union(*(hierarchy.above[synset] for synset in synsets if synset))
    keep = [synset is None or synset not in general for synset in synsets]
    return numbers[np.array(keep, dtype=bool)]


def _trimmed(
    numbers: NDArray[np.int64], hierarchy: Hierarchy | None, config: McaConfig
) -> NDArray[np.int64]:
    limit = config.kept_nouns
    if config.trim == "nearest" or hierarchy is None:
        return numbers[:limit]
    depths = [hierarchy.depths[number] for number in numbers]
    unknown = max((depth for depth in depths if depth is not None), default=0)
    order = np.argsort([unknown if depth is None else depth for depth in depths], kind="stable")
    return numbers[np.sort(order[:limit])]


def _count(lists: list[NDArray[np.int64]]) -> int:
    return len(np.unique(np.concatenate(lists)))

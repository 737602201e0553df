"""What a kind of clusters is called: a common word for most of it, else what it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sortal.tasks.corpora import wordnet
from sortal.tasks.naming.words import base

_MOST = 0.75  # [infer] share of a kind's images, of those with a known noun, that a word must cover
_DEEP = 5  # [infer] edges below entity from which a word says something
_KNOWN = 2  # [infer] times that a word occurs in SemCor, to be one that people use


@dataclass(frozen=True)
class Part:
    """A cluster of a kind: its name, if any, the synset of it where known, and its images."""

    name: str | None
    synset: str | None
    size: int


class Words:
    """Words above the nouns `synsets` in WordNet: those that people use."""

    def __init__(self, table: pa.Table, synsets: set[str]) -> None:
        self._above = wordnet.ancestors(table, synsets)
        wanted = set().union(*self._above.values())
        self._words: dict[str, tuple[int, str]] = {}
        columns = table.select(["synset", "depth", "lemmas", "counts"]).to_pydict()
        for synset, depth, lemmas, counts in zip(*columns.values(), strict=True):
            if synset in wanted and depth >= _DEEP and max(counts) >= _KNOWN:
                self._words[synset] = (-depth, lemmas[counts.index(max(counts))].replace("_", " "))

    def of(self, parts: Sequence[Part]) -> str | None:
        """The most special word for at least two of `parts` that hold most images."""
        known = [part for part in parts if part.synset in self._above]
        total = sum(part.size for part in known)
        if 2 * total <= sum(part.size for part in parts if part.name is None):
            return None  # most of it is of nobody knows what
        found: set[tuple[int, str]] = set()
        for synset, word in self._words.items():
            under = [part for part in known if synset in self._above[str(part.synset)]]
            if len(under) > 1 and sum(part.size for part in under) >= _MOST * total:
                found.add(word)
        return min(found)[1] if found else None


def kind_names(kinds: Mapping[int, Sequence[Part]], words: Words) -> list[str | None]:
    """A name for each kind, by its number; `kinds` have their parts by decreasing size.

    A kind of one cluster has its name, and none where no cluster of it has one. No two names are
    alike, and none is another cluster's.
    """
    taken = {part.name for parts in kinds.values() for part in parts}
    names: dict[int, str | None] = {}
    for kind in sorted(kinds, key=lambda kind: -sum(part.size for part in kinds[kind])):
        parts = kinds[kind]
        word = _one_noun(parts) or words.of(parts)
        names[kind] = word if word and word not in taken else _listed(parts)
        taken.add(names[kind])
    return [names[kind] for kind in sorted(names)]


def _one_noun(parts: Sequence[Part]) -> str | None:
    """The noun of a kind whose clusters are all told apart by a second term: shirt."""
    nouns = {base(part.name) for part in parts if part.name}
    alike = len(nouns) == 1 and len(parts) > 1 and all(part.name for part in parts)
    return nouns.pop() if alike else None


def _listed(parts: Sequence[Part]) -> str | None:
    """The largest parts: "boat", "boat and tree", "cat, dog and 3 more", of those with a name."""
    first = [part.name for part in parts if part.name][:2]
    more = len(parts) - len(first)
    if not first:
        return None
    return f"{', '.join(first)} and {more} more" if more else " and ".join(first)

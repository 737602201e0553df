"""Concepts: nouns that mean the same, grouped, with the word people use for them.

WordNet writes one thing in many words (car, auto, motorcar) and many depths (dog, animal, entity);
a cluster's name needs one common word, and what speaks for a tree frog speaks for a frog.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.configs.schema import PHOTOGRAPHABLE
from sortal.tasks.corpora import wordnet
from sortal.tasks.corpora.bank import OWN
from sortal.tasks.corpora.corpus import bare
from sortal.tasks.naming.qualities import qualities_in
from sortal.tasks.naming.words import Spelling

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_RARE = 0.3  # [infer] a word never seen in SemCor loses 30 % of its score, one seen 9 times 3 %
_SPECIFIC = 5  # [infer] depth from which a noun is specific enough; person is at 3, entity at 0
_BROAD = 0.015  # [infer] share of all concepts above which a noun is a broad one
_MANY = 50  # [infer] kinds that a broad noun has
_IN_USE = 20  # [infer] times in SemCor that make a broad noun one that people say: animal, not
_JARGON = 0.25  # [infer] instrumentation, container or vertebrate, which lose three quarters
_SEVERAL = 2  # [infer] kinds that make what they are kinds of a concept, if no noun says it
_SAID = 2  # [infer] times in SemCor that make its word one that people use
_SHORT = 4  # letters of ties, pies and lies
_SIBILANT = ("sses", "shes", "ches", "xes", "zzes")


@dataclass(frozen=True)
class Concepts:
    """M nouns as K concepts.

    `of` of shape (M,) is each noun's concept; `names` the concepts' words; `weights` of shape
    (K,), in (0, 1], is how well a concept serves as a name: common and specific is best.
    `above` of shape (K, K) is 1 where column j is concept i or above it; `depth` of shape (K,) is
    each concept's in WordNet.
    """

    of: NDArray[np.int64]
    names: list[str]
    weights: NDArray[np.float64]
    above: "csr_matrix"
    depth: NDArray[np.float64]
    number: dict[str, int] = field(default_factory=dict)  # of each concept's synset, or its word
    qualities: frozenset[int] = frozenset()  # concepts of what a thing is made of, or is in

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Of shape (K,): the share of all concepts with nouns that are it, or a kind of it."""
        own = self.above[: self.n_own].sum(axis=0)
        found: NDArray[np.float64] = np.asarray(own, dtype=np.float64).ravel()
        return found / max(self.n_own, 1)

    @cached_property
    def n_own(self) -> int:
        """How many concepts have nouns: the first ones. Others are known by their kinds alone."""
        return int(self.of.max(initial=-1)) + 1

    def pool(self, leaves: NDArray[np.floating]) -> NDArray[np.floating]:
        """Of shape (C, K): each concept with all kinds of it, of `leaves` (C, n_own)."""
        pooled: NDArray[np.floating] = (self.above[: self.n_own].T @ leaves.T).T
        return pooled

    def over(self, concept: int) -> set[int]:
        """A concept, and all above it."""
        return set(entries(self.above, concept)[0].tolist())

    def kinds_of(self, concept: int) -> set[int]:
        """A concept, and all below it."""
        return set(entries(self._below, concept)[0].tolist())

    @cached_property
    def _below(self) -> "csr_matrix":
        return self.above.T.tocsr()


def entries(matrix: "csr_matrix", row: int) -> tuple[NDArray[np.int32], NDArray[np.floating]]:
    """Columns (n,) and values (n,) of a row, as stored; `matrix[row]` would make copies."""
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[part], matrix.data[part]


def singular(noun: str) -> str:
    """A noun's singular in lower case, by a rule of thumb for English; of its last word only.

    "Dogs" becomes "dog"; "bus", "glass" and "iris" stay. Of WordNet's 117,798 nouns this makes
    1,310 meet, plurals; NLTK's Porter and Snowball 11,392 and 11,336 (organ, organic,
    organization), and WordNet's morphy none: a listed plural (things) stays apart there.
    """
    word = " ".join(noun.replace("_", " ").casefold().split())
    if len(word) < 4 or word.endswith(("ss", "us", "is")) or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > _SHORT else word[:-1]
    return word[:-2] if word.endswith(_SIBILANT) else word[:-1]


class Known:
    """What WordNet knows of words: their first sense, how often they are used, their spelling."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        synsets = table["synset"].to_pylist()
        self.depth: dict[str, int] = dict(zip(synsets, table["depth"].to_pylist(), strict=True))
        self.file = dict(zip(synsets, table["lexname"].to_pylist(), strict=True))
        flat = _lemmas_of(table)
        first = flat.filter(pc.equal(flat["sense"], 1))
        words = map(str.casefold, reversed(first["lemma"].to_pylist()))  # the first of them stays
        self._first = dict(zip(words, reversed(first["synset"].to_pylist()), strict=True))
        self._count: dict[tuple[str, str], int] = {}
        self.said: dict[str, tuple[int, str]] = {}  # the most used lemma of each synset, how often
        for lemma, synset, count in _rows(flat.filter(pc.greater(flat["count"], 0))):
            self._count[lemma.casefold(), synset] = count
            if count > self.said.get(synset, (0, ""))[0]:
                self.said[synset] = count, lemma.replace("_", " ")
        own = flat.filter(pc.starts_with(flat["synset"], OWN))
        self.own = {  # what a user calls terms, by synset
            synset: lemma.replace("_", " ") for lemma, synset, _ in reversed(_rows(own))
        }
        self.spelling = Spelling(flat["lemma"])

    def sense(self, noun: str) -> str | None:
        """The first sense of a noun, or of its singular."""
        word = bare(noun).casefold().replace(" ", "_")
        one = singular(bare(noun)).replace(" ", "_")
        return self._first.get(word) or self._first.get(one)

    def head(self, noun: str) -> str | None:
        """The sense of the last words of a noun that is not known: leather shoes are shoes."""
        words = bare(noun).split()
        ends = (self.sense(" ".join(words[start:])) for start in range(1, len(words)))
        return next((sense for sense in ends if sense), None)

    def count(self, noun: str, synset: str) -> int:
        """How often a noun is used in this sense (SemCor)."""
        return self._count.get((bare(noun).casefold().replace(" ", "_"), synset), 0)


def _lemmas_of(table: pa.Table) -> pa.Table:
    """A row for each lemma of each synset: lemma, synset, sense, count."""
    flat = {name: pc.list_flatten(table[f"{name}s"]) for name in ("lemma", "sense", "count")}
    synsets = pc.take(table["synset"], pc.list_parent_indices(table["lemmas"]))
    return pa.table({**flat, "synset": synsets})


def _rows(flat: pa.Table) -> list[tuple[str, str, int]]:
    columns = (flat[name].to_pylist() for name in ("lemma", "synset", "count"))
    return list(zip(*columns, strict=True))


def concepts_of(nouns: pa.Table, known: Known | None = None) -> Concepts:
    """Concepts of nouns (text, and where known synset) of shape (M,).

    Nouns of one synset are one concept; a noun without a synset is taken in its first sense, and
    one that WordNet does not know joins those of its singular. A concept is written as its most
    used noun.
    """
    known = known or _wordnet()
    texts = nouns["text"].to_pylist()
    given = nouns["synset"].to_pylist() if "synset" in nouns.column_names else [None] * len(texts)
    keys = [
        synset or known.sense(text) or f"={singular(bare(text))}"
        for text, synset in zip(texts, given, strict=True)
    ]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    of = np.array([number[key] for key in keys], dtype=np.int64)
    names, counts = _words(texts, keys, known)
    words, n_own = {singular(word) for word in names.values()}, len(number)
    lines = _lines(number, known)
    broader = _broader(number, lines, known)
    added = [key for key in broader if singular(known.said[key][1]) not in words]
    for key in added:
        number[key] = len(number)
        counts[key], names[key] = known.said[key]
    lines |= _lines(added, known)
    depth = np.array([known.depth.get(key, _SPECIFIC) for key in number], dtype=np.float64)
    used = np.array([counts[key] for key in number], dtype=np.float64)
    above = _hierarchy(number, lines)
    kinds = np.asarray(above[:n_own].sum(axis=0)).ravel()
    broad = (kinds > _BROAD * n_own) & (kinds > _MANY)
    jargon = broad & (used < _IN_USE)
    return Concepts(
        of=of,
        names=[names[key] for key in number],
        weights=_commonness(used)
        * np.minimum(1, (depth + 1) / (_SPECIFIC + 1))
        * np.where(jargon & used.any(), _JARGON, 1.0),
        above=above,
        depth=depth,
        number=number,
        qualities=qualities_in(number, names, known.table),
    )


def known_of(table: pa.Table) -> Known:
    """What a table knows of words; of WordNet's own it is found out once."""
    return _wordnet() if table is wordnet.read_embedded() else Known(table)


@cache
def _wordnet() -> Known:
    return Known(wordnet.read_embedded())


def _words(
    texts: Sequence[str], keys: Sequence[str], known: Known
) -> tuple[dict[str, str], dict[str, int]]:
    """The word of each concept, and how often it is used."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for text, key in zip(texts, keys, strict=True):
        count = known.count(text, key)
        if key not in names or count > counts[key]:
            names[key], counts[key] = text, count
    spelt = {key: known.own.get(key) or known.spelling(text) for key, text in names.items()}
    return spelt, counts


# Of a concept its synset, or that of what it is a kind of (None: neither), and all above it.
_Line = tuple[str | None, frozenset[str]]


def _lines(keys: Iterable[str], known: Known) -> dict[str, _Line]:
    own = {key: key if key in known.depth else known.head(key) for key in keys}
    above = wordnet.ancestors(known.table, {synset for synset in own.values() if synset})
    return {key: (synset, above[synset] if synset else frozenset()) for key, synset in own.items()}


def _broader(number: Mapping[str, int], lines: Mapping[str, _Line], known: Known) -> list[str]:
    """Synsets that no noun has, though several are kinds of them, and that people have words for.

    Of what photos can show.
    Where the nouns are shirts, dresses and trousers but nothing says garment, a cluster of all
    three is of garments.
    """
    kinds = Counter(synset for key in number for synset in lines[key][1] if synset not in number)
    return [
        synset
        for synset, count in sorted(kinds.items())
        if count >= _SEVERAL
        and known.file[synset] in PHOTOGRAPHABLE
        and known.depth[synset] > _SPECIFIC
        and known.said.get(synset, (0,))[0] >= _SAID
    ]


def _hierarchy(number: Mapping[str, int], lines: Mapping[str, _Line]) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    pairs = [place * len(number) + place for place in number.values()]
    for key, (synset, above) in lines.items():
        row = number[key] * len(number)
        pairs += [row + number[each] for each in above if each in number]
        pairs += [row + number[synset]] if synset and synset in number else []
    rows, columns = np.divmod(np.unique(np.array(pairs, dtype=np.int64)), max(len(number), 1))
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((ones, (rows, columns)), shape=(len(number), len(number)))


def _commonness(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    # Of nouns that WordNet does not know nothing is counted; then no word is rarer than another.
    return 1 - _RARE / (1 + frequency) if frequency.any() else np.ones(len(frequency))

"""Concepts: nouns that mean the same, grouped, with the word people use for them.

WordNet writes one thing in many words (car, auto, motorcar) and many depths (dog, animal, entity);
a cluster's name needs one common word that is neither too rare nor too general.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray

_RARE = 0.3  # [infer] a word never seen in SemCor loses 30 % of its score, one seen 9 times 3 %
_SPECIFIC = 4  # [infer] depth from which a noun is specific enough; person is at 3, entity at 0
_SIBILANT = ("sses", "shes", "ches", "xes", "zzes")


@dataclass(frozen=True)
class Concepts:
    """M nouns as K concepts.

    `of` of shape (M,) is each noun's concept; `names` the concepts' words; `weights` of shape
    (K,), in (0, 1], is how well a concept serves as a name: common and specific is best.
    """

    of: NDArray[np.int64]
    names: list[str]
    weights: NDArray[np.float64]

    def pool(self, mass: FloatArray) -> NDArray[np.float64]:
        """Mass of shape (C, M) of nouns as mass of shape (C, K) of concepts."""
        out = np.zeros((len(self.names), mass.shape[0]))
        np.add.at(out, self.of, mass.T.astype(np.float64))
        return out.T


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
        return word[:-3] + "y"
    return word[:-2] if word.endswith(_SIBILANT) else word[:-1]


def concepts_of(nouns: pa.Table, mass: NDArray[np.floating]) -> Concepts:
    """Concepts of nouns (text, and where known synset, depth, frequency) of shape (M,).

    Nouns of one synset are one concept; a noun without a synset joins one of its singular, so that
    nothing is assumed of a plural with a meaning of its own (glass, glasses). A concept is
    written as its noun with the highest mass x (1 + log(1 + frequency)); `mass` of shape (M,)
    is the nouns' overall transport mass.
    """
    texts = [text.replace("_", " ") for text in nouns["text"].to_pylist()]
    of = _groups(texts, _column(nouns, "synset"))
    frequency = np.array([f or 0 for f in _column(nouns, "frequency")], dtype=np.float64)
    fame = np.asarray(mass, dtype=np.float64) * (1 + np.log1p(frequency))
    first = np.lexsort((np.arange(len(of)), -fame, of))
    first = first[np.unique(of[first], return_index=True)[1]]
    depth = np.array([_SPECIFIC if d is None else d for d in _column(nouns, "depth")])
    weights = _commonness(nouns, frequency) * np.minimum(1, (depth + 1) / (_SPECIFIC + 1))
    return Concepts(of, [texts[i] for i in first], weights[first])


def _commonness(nouns: pa.Table, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    # Nouns brought by the user come without counts; then no word is rarer than another.
    return 1 - _RARE / (1 + frequency) if frequency.any() else np.ones(len(nouns))


def _column(nouns: pa.Table, name: str) -> list:
    known = name in nouns.column_names
    return nouns[name].to_pylist() if known else [None] * len(nouns)


def _groups(texts: Sequence[str], synsets: Sequence[str | None]) -> NDArray[np.int64]:
    """Concept number of each text, counted from 0 in the order of first occurrence."""
    of_singular: dict[str, str] = {}
    for text, synset in zip(texts, synsets, strict=True):
        if synset:
            of_singular.setdefault(singular(text), synset)
    number: dict[str, int] = {}
    groups = []
    for text, synset in zip(texts, synsets, strict=True):
        name = synset or of_singular.get(singular(text)) or f"={singular(text)}"
        groups.append(number.setdefault(name, len(number)))
    return np.array(groups, dtype=np.int64)

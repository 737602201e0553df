"""How well a cluster's name says its majority class: by WordNet, and as texts of the encoder."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sortal.storage.rows import FloatArray
from sortal.tasks.corpora import wordnet
from sortal.tasks.naming.synonyms import singular
from sortal.tasks.naming.words import base

LEVELS = ("equal", "synonym", "hypernym")
_REACH = 2  # hypernym edges between name and class that still count
_WNID = re.compile(r"n(\d{8})")


class Senses:
    """WordNet's nouns, asked for the synsets of few words. Synsets are rows of the table."""

    def __init__(self, table: pa.Table) -> None:
        lemmas = table["lemmas"]
        self._table = table
        self._words = pc.utf8_lower(pc.list_flatten(lemmas)).combine_chunks()
        self._rows = pc.list_parent_indices(lemmas).to_numpy()
        self._offsets = table["offset"].to_numpy()

    def of(self, text: str) -> set[int]:
        """Synsets that a label or name may mean: a WordNet id, or words, of which commas part."""
        wnid = _WNID.fullmatch(text)
        if wnid:
            return set(self._at([int(wnid[1])]))
        spellings = {spelling for part in text.split(",") for spelling in _spellings(part)}
        found = pc.is_in(self._words, pa.array(sorted(spellings), pa.string())).to_numpy(False)
        return set(self._rows[found].tolist())

    def named(self, synset: str) -> set[int]:
        """The synset that NLTK calls so, such as dog.n.01."""
        return set(np.flatnonzero(pc.equal(self._table["synset"], synset).to_numpy()).tolist())

    def near(self, rows: Iterable[int]) -> set[int]:
        """These synsets and those at most two levels above them."""
        reached = fresh = set(rows)
        for _ in range(_REACH):
            parents = (self._above(row) for row in fresh)
            fresh = {row for offsets in parents for row in self._at(offsets)}
            reached = reached | fresh
        return reached

    def word(self, text: str) -> str:
        """What a class is called: the first word of a WordNet id, else its own first name."""
        rows = self.of(text) if _WNID.fullmatch(text) else set()
        first = self._table["lemmas"][min(rows)].as_py()[0] if rows else text.partition(",")[0]
        return " ".join(first.replace("_", " ").split())

    def _above(self, row: int) -> list[int]:
        return [
            offset
            for name in ("hypernyms", "instance_of")
            for offset in self._table[name][row].as_py()
        ]

    def _at(self, offsets: Sequence[int]) -> list[int]:
        places = np.searchsorted(self._offsets, offsets).clip(max=len(self._offsets) - 1)
        found = self._offsets[places] == offsets
        return [int(place) for place in places[found]]


def _spellings(part: str) -> set[str]:
    word = " ".join(part.replace("_", " ").casefold().split())
    both = {word, singular(word)}
    return {text.replace(" ", "_") for text in both | {w.replace("-", " ") for w in both}}


def level(name: str, label: str, senses: Senses, synset: str | None = None) -> str | None:
    """How a cluster's name matches its class: the first of LEVELS that holds, or None.

    `synset` is the name's, where it is known; otherwise every sense of it counts, as every sense
    of the label does. "hypernym": one is at most two levels above the other, either way.
    """
    noun = base(name)
    if singular(noun) == singular(senses.word(label)):
        return "equal"
    own = (senses.named(synset) if synset else set()) or senses.of(noun)
    wanted = senses.of(label)
    if own & wanted:
        return "synonym"
    return "hypernym" if own & senses.near(wanted) or wanted & senses.near(own) else None


def matches(
    names: Mapping[int, str],
    classes: Mapping[int, str],
    synsets: Mapping[str, str],
    table: pa.Table | None = None,
) -> dict[str, float]:
    """Shares of labelled clusters with a name whose name matches, each level with those before it.

    `names` and `classes` (the majority class) by cluster, `synsets` of names that are known.
    Classes that are no words of WordNet are left out; nothing is said where none is left.
    """
    senses = Senses(table or wordnet.read_embedded())
    told = {label for label in set(classes.values()) if senses.of(label)}
    found = [
        level(names[cluster], label, senses, synsets.get(base(names[cluster])))
        for cluster, label in classes.items()
        if cluster in names and label in told
    ]
    shares = {
        f"name_{LEVELS[i]}": sum(one in LEVELS[: i + 1] for one in found) / len(found)
        for i in range(len(LEVELS))
        if found
    }
    given = sum(cluster in names for cluster in classes) / max(len(classes), 1)
    return {"name_given": given, **shares}


def closeness(
    names: Mapping[int, str],
    classes: Mapping[int, str],
    words: Mapping[str, str],
    vectors: Mapping[str, FloatArray],
) -> dict[str, float]:
    """Mean cosine of name and class, and how often no other class is nearer to the name.

    `words` gives every class its text, `vectors` unit vectors (d,) by text. Only clusters whose
    name and class both have a vector are compared; nothing is said where none has.
    """
    known = [label for label, word in words.items() if word in vectors]
    pairs = [
        (vectors[base(names[cluster])], known.index(label))
        for cluster, label in classes.items()
        if cluster in names and label in known and base(names[cluster]) in vectors
    ]
    if not pairs:
        return {}
    matrix = np.stack([vectors[words[label]] for label in known])
    cosines = np.stack([name for name, _ in pairs]) @ matrix.T
    right = [place for _, place in pairs]
    return {
        "name_similarity": float(cosines[np.arange(len(right)), right].mean()),
        "name_nearest": float((cosines.argmax(axis=1) == right).mean()),
    }

"""How a name is written: one form for every vocabulary, whatever case and glosses its list has."""

from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from sortal.tasks.corpora.corpus import GLOSS, bare


class Spelling:
    """How WordNet's lemmas, underscores between words, and the words in them are spelt."""

    def __init__(self, lemmas: pa.ChunkedArray) -> None:
        self._table = pc.unique(lemmas)
        self._lemmas = _Spelt(self._table)

    @cached_property
    def _words(self) -> "_Spelt":
        return _Spelt(pc.unique(pc.list_flatten(pc.split_pattern(self._table, "_"))))

    def __call__(self, noun: str) -> str:
        """A noun as in running text: "Fire Truck" becomes "fire truck", "SUV" stays."""
        plain = bare(noun)
        known = self._lemmas.get(plain.casefold().replace(" ", "_"))
        if known:
            return known.replace("_", " ")
        return " ".join(self._word(word) for word in plain.split())

    def _word(self, word: str) -> str:
        if sum(letter.isupper() for letter in word) > 1 and word.isalpha():
            return word
        return self._words.get(word.casefold()) or word.lower()


class _Spelt:
    """Texts by their casefold; of those that differ in case the one with fewest capitals."""

    def __init__(self, texts: pa.Array) -> None:
        self._texts = set(texts.to_pylist())
        others = texts.filter(pc.invert(pc.utf8_is_lower(texts))).to_pylist()
        self._other = {text.casefold(): text for text in sorted(others)}

    def get(self, folded: str) -> str | None:
        """The text whose casefold this is, or None."""
        return folded if folded in self._texts else self._other.get(folded)


def told_apart(noun: str, by: str) -> str:
    """Of shirt and polo shirt "shirt: polo", of shirt and blouse "shirt: blouse"."""
    short = by.removesuffix(f" {noun}").removesuffix(f" {noun}s")
    return f"{noun}: {short}"


def base(name: str) -> str:
    """The noun a name stands for: "shirt: polo" is a shirt, as was "fox (wolf)" a fox."""
    return GLOSS.sub("", name.partition(": ")[0])

"""How a name is written: one form for every vocabulary, whatever case and glosses its list has."""

from collections.abc import Iterable

from sortal.tasks.corpora.corpus import GLOSS, bare


class Spelling:
    """How WordNet's lemmas, underscores between words, and the words in them are spelt."""

    def __init__(self, lemmas: Iterable[str]) -> None:
        self._whole: dict[str, str] = {}
        self._words: dict[str, str] = {}
        for lemma in lemmas:
            _note(self._whole, lemma.replace("_", " "))
            for word in lemma.split("_"):
                _note(self._words, word)

    def __call__(self, noun: str) -> str:
        """A noun as in running text: "Fire Truck" becomes "fire truck", "SUV" stays."""
        plain = bare(noun)
        known = self._whole.get(plain.casefold())
        return known or " ".join(self._word(word) for word in plain.split())

    def _word(self, word: str) -> str:
        if sum(letter.isupper() for letter in word) > 1 and word.isalpha():
            return word
        return self._words.get(word.casefold(), word.lower())


def _note(spelt: dict[str, str], text: str) -> None:
    """Of spellings that differ in case the one with fewest capitals is kept: "china"."""
    key = text.casefold()
    spelt[key] = max(spelt.get(key, text), text)  # capitals sort before small letters


def told_apart(noun: str, by: str) -> str:
    """Of shirt and polo shirt "shirt: polo", of shirt and tie "shirt: tie"."""
    short = by.removesuffix(f" {noun}")
    return f"{noun}: {short}"


def base(name: str) -> str:
    """The noun a name stands for: "shirt: polo" is a shirt, as was "fox (wolf)" a fox."""
    return GLOSS.sub("", name.partition(": ")[0])

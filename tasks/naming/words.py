"""How a name is written: one form for every vocabulary, whatever case and glosses its list has."""

from collections.abc import Iterable

from sortal.tasks.corpora.corpus import GLOSS, bare


class Spelling:
    """How WordNet's lemmas, underscores between words, and the words in them are spelt."""

    def __init__(self, lemmas: Iterable[str]) -> None:
        known = set(lemmas)
        self._whole = _spelt(lemma.replace("_", " ") for lemma in known)
        self._words = _spelt({word for lemma in known for word in lemma.split("_")})

    def __call__(self, noun: str) -> str:
        """A noun as in running text: "Fire Truck" becomes "fire truck", "SUV" stays."""
        plain = bare(noun)
        known = self._whole.get(plain.casefold())
        return known or " ".join(self._word(word) for word in plain.split())

    def _word(self, word: str) -> str:
        if sum(letter.isupper() for letter in word) > 1 and word.isalpha():
            return word
        return self._words.get(word.casefold(), word.lower())


def _spelt(texts: Iterable[str]) -> dict[str, str]:
    """Each text by its casefold; of those that differ in case the one with fewest capitals."""
    return {text.casefold(): text for text in sorted(texts)}  # capitals sort before small letters


def told_apart(noun: str, by: str) -> str:
    """Of shirt and polo shirt "shirt: polo", of shirt and blouse "shirt: blouse"."""
    short = by.removesuffix(f" {noun}").removesuffix(f" {noun}s")
    return f"{noun}: {short}"


def base(name: str) -> str:
    """The noun a name stands for: "shirt: polo" is a shirt, as was "fox (wolf)" a fox."""
    return GLOSS.sub("", name.partition(": ")[0])

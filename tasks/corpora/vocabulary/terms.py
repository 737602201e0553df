"""Terms of a vocabulary, gathered and checked: each once, its parents terms, without circles."""

import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from sortal.configs.errors import UsageError

MOST_TERMS = 2_000_000  # with their synonyms
MOST_LETTERS = 200  # of a term or a synonym
MOST_LEVELS = 50  # of parents above a term
_MOST_WORDS = 200  # synonyms or parents of a term


class Term(NamedTuple):
    """A term as it stands in the file, in which it is number `place`, a line or a row."""

    word: str
    place: int
    description: str = ""
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """Terms by their folded words, in the order of the file.

    `parents` are the folded words of the terms above a term, `outside` of parents that another
    list knows, `levels` how many lie above it at the most. `n_repeated` counts terms that were
    there already, and `n_shared` synonyms that are another term's.
    """

    terms: dict[str, Term]
    parents: dict[str, list[str]]
    outside: dict[str, list[str]]
    levels: dict[str, int]
    n_repeated: int
    n_shared: int


def tidy(text: str) -> str:
    """A text in Unicode's composed form, with single blanks, and nothing that cannot be printed."""
    plain = unicodedata.normalize("NFC", " ".join(text.split()))
    if plain.isprintable():
        return plain
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in plain)


def folded(word: str) -> str:
    """A word as it is compared: case and underscores say nothing."""
    return word.replace("_", " ").casefold()


def vocabulary_of(name: str, rows: Iterable[Term], others: Container[str] = ()) -> Vocabulary:
    """The vocabulary of a file called `name`; raises UsageError with the place of what is wrong.

    `others` are folded words that may be parents besides its own.
    """
    terms, n_repeated = _gathered(name, rows)
    if len(terms) < 2:
        raise UsageError(f"{name} must hold at least 2 terms, got {len(terms)}; add some, one each")
    terms, n_shared = _apart(terms)
    parents, outside = _placed(name, terms, others)
    return Vocabulary(terms, parents, outside, _levels(name, parents), n_repeated, n_shared)


def _gathered(name: str, rows: Iterable[Term]) -> tuple[dict[str, Term], int]:
    terms: dict[str, Term] = {}
    n_words = n_repeated = 0
    for term in rows:
        _check(name, term)
        n_words += 1 + len(term.synonyms)
        if n_words > MOST_TERMS:
            raise UsageError(
                f"{name} must hold at most {MOST_TERMS:,} terms and synonyms, got more at "
                f"{term.place:,}; cut it down to what your images may show"
            )
        key = folded(term.word)
        known = terms.get(key)
        n_repeated += known is not None
        terms[key] = _joined(known, term) if known else term
    return terms, n_repeated


def _check(name: str, term: Term) -> None:
    for word in chain((term.word,), term.synonyms):
        if len(word) > MOST_LETTERS:
            raise UsageError(
                f"{name}, {term.place:,}: a term must have at most {MOST_LETTERS} letters, got "
                f"{len(word):,} in {word[:40]!r}...; put what explains it into a column description"
            )
    for what, words in (("synonyms", term.synonyms), ("parents", term.parents)):
        if len(words) > _MOST_WORDS:
            raise UsageError(
                f"{name}, {term.place:,}: {term.word!r} must have at most {_MOST_WORDS} {what}, "
                f"got {len(words):,}; leave some out"
            )


def _joined(known: Term, again: Term) -> Term:
    """A term that was there already, with what the later row adds."""
    return known._replace(
        description=known.description or again.description,
        synonyms=tuple(dict.fromkeys(known.synonyms + again.synonyms)),
        parents=tuple(dict.fromkeys(known.parents + again.parents)),
    )


def _apart(terms: dict[str, Term]) -> tuple[dict[str, Term], int]:
    """Terms without the synonyms that are terms, or an earlier term's synonym."""
    taken, found, n_shared = set(terms), dict(terms), 0
    for key, term in terms.items():
        own: dict[str, str] = {}
        for word in term.synonyms:
            if folded(word) != key:
                own.setdefault(folded(word), word)
        free = {fold: word for fold, word in own.items() if fold not in taken}
        n_shared += len(own) - len(free)
        taken.update(free)
        found[key] = term._replace(synonyms=tuple(free.values()))
    return found, n_shared


def _placed(
    name: str, terms: Mapping[str, Term], others: Container[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Parents of each term that are terms or their synonyms, and those that are `others`."""
    called = {folded(word): key for key, term in terms.items() for word in term.synonyms}
    called |= {key: key for key in terms}
    inside: dict[str, list[str]] = {}
    outside: dict[str, list[str]] = defaultdict(list)
    for key, term in terms.items():
        own = list(map(folded, term.parents))
        inside[key] = list(dict.fromkeys(called[word] for word in own if word in called))
        for word, fold in zip(term.parents, own, strict=True):
            if fold in called:
                continue
            if fold not in others:
                raise UsageError(
                    f"{name}, {term.place:,}: the parent of {term.word!r} must be a term of the "
                    f"file, got {word!r}; give it a row of its own, or leave it out"
                )
            outside[key].append(fold)
    return inside, outside


def _levels(name: str, parents: Mapping[str, list[str]]) -> dict[str, int]:
    """How many terms lie above each, at the most; raises UsageError for a circle."""
    children: dict[str, list[str]] = defaultdict(list)
    for key, above in parents.items():
        for parent in above:
            children[parent].append(key)
    waiting = {key: len(above) for key, above in parents.items()}
    levels = {key: 0 for key, count in waiting.items() if not count}
    ready = list(levels)
    for key in ready:  # which grows meanwhile
        for child in children.get(key, ()):
            waiting[child] -= 1
            levels[child] = max(levels.get(child, 0), levels[key] + 1)
            if not waiting[child]:
                ready.append(child)
    if len(ready) < len(parents):
        circle = " -> ".join(_circle(parents, {key for key, count in waiting.items() if count}))
        raise UsageError(
            f"{name}: parents must form no circle, got {circle}; take one of them away"
        )
    deepest = max(levels, key=levels.__getitem__)
    if levels[deepest] > MOST_LEVELS:
        raise UsageError(
            f"{name}: at most {MOST_LEVELS} parents may lie above a term, one over the other, got "
            f"{levels[deepest]:,} above {deepest!r}; leave levels out"
        )
    return levels


def _circle(parents: Mapping[str, list[str]], within: set[str]) -> Iterator[str]:
    """A circle of parents, the first term again at its end."""
    key, seen = next(iter(within)), list[str]()
    places: dict[str, int] = {}
    while key not in places:
        places[key] = len(seen)
        seen.append(key)
        key = next(parent for parent in parents[key] if parent in within)
    found = seen[places[key] :]
    shown = found if len(found) <= 8 else [*found[:4], "...", *found[-3:]]
    yield from (*shown, key)

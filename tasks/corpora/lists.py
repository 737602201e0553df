"""Which nouns a run has: WordNet's, a list of ours for a criterion, a vocabulary, or two of these.

With ready-made vectors they are those that have one.
"""

import logging
from collections.abc import Container
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sortal.configs.errors import UsageError, expanded
from sortal.configs.schema import NounsConfig
from sortal.storage.hashing import hash_file, hash_strings, hash_text
from sortal.tasks.corpora.bank import Bank, bank_of, joined
from sortal.tasks.corpora.corpus import EMBEDDED
from sortal.tasks.corpora.nouns import SCHEMA, given_corpus, noun_corpus
from sortal.tasks.corpora.vocabulary.files import require_vocabulary, terms_of
from sortal.tasks.corpora.vocabulary.terms import Vocabulary, folded, vocabulary_of
from sortal.tasks.encoders import vectors

log = logging.getLogger("sortal")

LISTS = Path(__file__).parent / "data" / "criteria"
THINGS = (  # [infer] lexicographer files of what can be pointed at
    "noun.animal",
    "noun.artifact",
    "noun.body",
    "noun.food",
    "noun.object",
    "noun.person",
    "noun.plant",
)


@dataclass(frozen=True)
class Nouns:
    """A corpus of nouns, the vocabulary that is in it, if any, and figures of it."""

    corpus: pa.Table
    bank: Bank | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def list_of(config: NounsConfig) -> Path | None:
    """The file of the list of ours that `config.names` is; None for one of WordNet's."""
    path = LISTS / f"{config.names}.csv"
    return path if path.is_file() else None


def files_of(config: NounsConfig) -> list[Path]:
    """The files of terms that are read, the user's first; none where all nouns are WordNet's."""
    given = [expanded(config.vocabulary)] if config.vocabulary else []
    ours = list_of(config)
    replaced = given and config.vocabulary_mode == "replace"
    return given if replaced or ours is None else [*given, ours]


def content_of(files: list[Path], folder: Path | None) -> list[str]:
    """What the terms are: the files' bytes, and which of their texts `folder` has vectors of."""
    found = [hash_file(path) if path.is_file() else "missing" for path in files]
    return found + ([hash_strings(sorted(vectors.held(folder)))] if folder else [])


def vocabulary_content(config: NounsConfig) -> str | None:
    """The hash of the user's file; raises UsageError where it is none or is not right."""
    if config.vocabulary is None:
        return None
    path = expanded(config.vocabulary)
    require_vocabulary(path)
    return hash_file(path)


def check_vocabulary(config: NounsConfig) -> None:
    """Read the user's file as far as it can be without the other nouns; raises UsageError."""
    if config.vocabulary is not None:
        _read(files_of(config), _Anything() if config.vocabulary_mode == "add" else ())


class _Anything:
    """Holds every word: which parents WordNet's nouns are is not known yet."""

    def __contains__(self, _: object) -> bool:
        return True


def nouns_of(
    config: NounsConfig, table: pa.Table, given: list[str] | None, folder: Path | None
) -> Nouns:
    """The nouns of a configuration, of WordNet's `table` or of those `given` with vectors.

    `folder` is that of the ready-made vectors, outside of which no text has one.
    """
    files = files_of(config)
    others = _wordnets(config, table, given) if _has_wordnets(config) else None
    if not files:
        assert others is not None
        return Nouns(others)
    offsets = _offsets(others, table) if others is not None else {}
    vocabulary = _read(files, offsets)
    bank, facts = bank_of(vocabulary, SCHEMA, offsets), _facts(vocabulary, others is not None)
    if folder is not None:
        bank, facts["n_without_vector"] = _with_vectors(bank, folder)
    return Nouns(bank.corpus if others is None else joined(others, bank), bank, facts)


def _has_wordnets(config: NounsConfig) -> bool:
    replaced = config.vocabulary is not None and config.vocabulary_mode == "replace"
    return not replaced and list_of(config) is None


def _wordnets(config: NounsConfig, table: pa.Table, given: list[str] | None) -> pa.Table:
    """WordNet's nouns, or those given with vectors; only things where these are asked for."""
    things = config.names == "thing"
    if given is not None:
        corpus = given_corpus(given, table)
        known = pc.is_in(corpus["lexname"], pa.array([*THINGS, None], pa.string()))
        return corpus.filter(known) if things else corpus
    if things:
        kept = [name for name in config.lexnames or THINGS if name in THINGS]
        if not kept:
            wanted = ", ".join(THINGS)
            raise UsageError(f"nouns.lexnames of things must be some of {wanted}; leave it out")
        config = config.model_copy(update={"names": "lemmas", "lexnames": tuple(kept)})
    return noun_corpus(table, config)


def _read(files: list[Path], others: Container[str]) -> Vocabulary:
    return vocabulary_of(files[0].name, chain.from_iterable(map(terms_of, files)), others)


def _offsets(nouns: pa.Table, table: pa.Table) -> dict[str, int]:
    """The offset in WordNet's table of each noun that has a synset, by its folded word."""
    places = dict(zip(table["synset"].to_pylist(), table["offset"].to_pylist(), strict=True))
    pairs = zip(nouns["text"].to_pylist(), nouns["synset"].to_pylist(), strict=True)
    return {folded(text): places[synset] for text, synset in pairs if synset}


def _facts(vocabulary: Vocabulary, is_added: bool) -> dict[str, Any]:
    repeated, shared = vocabulary.n_repeated, vocabulary.n_shared
    if repeated or shared:
        log.info("vocabulary: %s terms repeated, %s synonyms shared: the first has them",
                 f"{repeated:,}", f"{shared:,}")  # fmt: skip
    return {
        "vocabulary_mode": "add" if is_added else "replace",
        "n_terms": len(vocabulary.terms),
        "n_repeated": repeated,
        "n_shared": shared,
    }


def _with_vectors(bank: Bank, folder: Path) -> tuple[Bank, int]:
    """The terms whose text, with its description or alone, has a vector; and how many have none."""
    held, rows = vectors.held(folder), []
    for row in bank.corpus.to_pylist():
        text = next((each for each in (row[EMBEDDED], row["text"]) if each in held), None)
        if text is not None:
            rows.append({**row, "key": hash_text(text), EMBEDDED: text})
    lacking = len(bank.corpus) - len(rows)
    if len(rows) < 2:
        raise UsageError(
            f"vectors:{folder} must hold vectors of at least 2 of the {len(bank.corpus):,} terms, "
            f"got {len(rows)}; put text and vector of each into a file *texts*.parquet there"
        )
    if lacking:
        log.warning("%s of %s terms have no vector in %s and are left out",
                    f"{lacking:,}", f"{len(bank.corpus):,}", folder)  # fmt: skip
    return bank._replace(corpus=pa.Table.from_pylist(rows, schema=bank.corpus.schema)), lacking

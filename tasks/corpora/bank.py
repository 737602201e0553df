"""A vocabulary as a corpus of nouns, and as rows of WordNet's table: what stands for what.

Its rows of the table say of terms what WordNet's say of nouns: `lemmas` are a term and its
synonyms, `hypernyms` its parents. Whoever asks WordNet asks both.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.storage.artifacts import Artifact
from sortal.storage.hashing import hash_strings, hash_text
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora import wordnet
from sortal.tasks.corpora.corpus import EMBEDDED, bare
from sortal.tasks.corpora.vocabulary.terms import Term, Vocabulary, folded

BANK = "vocabulary.parquet"
OWN = "vocabulary:"  # begins the synset of a term
_DEPTH = 5  # of a term without parents: specific enough to be a name, as WordNet's nouns at 5 are
_USED = 20  # times that a term counts as seen in SemCor: a word that people use
_MOST_DESCRIPTION = 1000  # letters that are embedded at the most: encoders read less


class Bank(NamedTuple):
    """A vocabulary's corpus (a row a term or synonym) and its rows of `wordnet.SCHEMA`."""

    corpus: pa.Table
    table: pa.Table

    @property
    def identity(self) -> str:
        """What it says, whatever file said it."""
        said = self.corpus.select(["key", "text", "synset"]).to_pylist()
        above = self.table.select(["synset", "hypernyms"]).to_pylist()
        return hash_strings(str(tuple(row.values())) for row in (*said, *above))


def bank_of(vocabulary: Vocabulary, schema: pa.Schema, known: Mapping[str, int]) -> Bank:
    """The vocabulary under the schema of a nouns corpus, with a column of what is embedded.

    `known` gives the offset in WordNet of parents that are no terms.
    """
    keys = list(vocabulary.terms)
    offset = {key: place - len(keys) for place, key in enumerate(keys)}
    above = [
        [offset[each] for each in vocabulary.parents[key]]
        + [known[each] for each in vocabulary.outside.get(key, ())]
        for key in keys
    ]
    depth = [_DEPTH + vocabulary.levels[key] for key in keys]
    words = [[term.word, *term.synonyms] for term in vocabulary.terms.values()]
    synsets = [OWN + key for key in keys]
    table = {
        "offset": list(offset.values()),
        "synset": synsets,
        "lexname": [None] * len(keys),
        "depth": depth,
        "lemmas": [[bare(word).replace(" ", "_") for word in own] for own in words],
        "senses": [[1] * len(own) for own in words],
        "counts": [[_USED] + [0] * (len(own) - 1) for own in words],
        "hypernyms": above,
        "instance_of": [[]] * len(keys),
    }
    return Bank(
        _corpus(vocabulary.terms, synsets, depth, schema),
        pa.table(table, schema=wordnet.SCHEMA),
    )


def _corpus(
    terms: Mapping[str, Term], synsets: Sequence[str], depth: Sequence[int], schema: pa.Schema
) -> pa.Table:
    rows = [
        (word, term.description, place)
        for place, term in enumerate(terms.values())
        for word in (term.word, *term.synonyms)
    ]
    prompts = [prompt(word, description) for word, description, _ in rows]
    columns = {
        "key": [hash_text(text) for text in prompts],
        "text": [word for word, _, _ in rows],
        "synset": [synsets[place] for _, _, place in rows],
        "lexname": [None] * len(rows),
        "depth": [depth[place] for _, _, place in rows],
        "frequency": [0] * len(rows),
        EMBEDDED: prompts,
    }
    return pa.table(columns, schema=schema.append(pa.field(EMBEDDED, pa.string())))


def prompt(word: str, description: str) -> str:
    """What is embedded of a term: as an apposition, which reads well in any template."""
    return f"{word}, {description[:_MOST_DESCRIPTION]}" if description else word


def joined(nouns: pa.Table, bank: Bank) -> pa.Table:
    """WordNet's nouns and the terms; a noun that is a term, too, is the term."""
    own = pa.array({folded(text) for text in bank.corpus["text"].to_pylist()}, pa.string())
    texts = pa.array(map(folded, nouns["text"].to_pylist()), pa.string())
    others = nouns.filter(pc.invert(pc.is_in(texts, own)))
    return pa.concat_tables([bank.corpus, others.append_column(EMBEDDED, others["text"])])


def table_of(workspace: Workspace, corpus: Artifact | None, alone: bool = False) -> pa.Table:
    """WordNet's table with the terms of a corpus of nouns before it, where it has some.

    `alone`: without WordNet's rows, where the corpus has none of its nouns.
    """
    embedded = wordnet.read_embedded()
    path = corpus.file(workspace, BANK) if corpus else None
    if path is None or corpus is None or not path.exists():
        return embedded
    own = pq.read_table(path, schema=wordnet.SCHEMA)
    only = alone and corpus.facts.get("vocabulary_mode") == "replace"
    return own if only else pa.concat_tables([own, embedded]).combine_chunks()


def is_own(synset: str) -> bool:
    """Whether a synset is a term of a vocabulary."""
    return synset.startswith(OWN)

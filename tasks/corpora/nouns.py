"""The nouns corpus: what a thing is. WordNet's nouns, filtered, each written once.

The filters ask about senses: a noun stays when one of its senses passes all of them.
"""

import difflib
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.configs.schema import NounsConfig
from sortal.storage.hashing import hash_text
from sortal.tasks.corpora import wordnet

SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "text": pa.string(),
        "synset": pa.string(),
        "lexname": pa.string(),
        "depth": pa.int8(),
        "frequency": pa.int32(),
    }
)


def check(config: NounsConfig) -> None:
    """Raise `UsageError` where the section asks for what cannot be."""
    for name in config.lexnames:
        if name not in wordnet.LEXNAMES:
            close = difflib.get_close_matches(name, [*wordnet.LEXNAMES, f"noun.{name}"], 1, 0.5)
            known = [c for c in (f"noun.{name}", *close) if c in wordnet.LEXNAMES]
            hint = f"did you mean {known[0]}?" if known else "use " + ", ".join(wordnet.LEXNAMES)
            raise UsageError(f"nouns.lexnames must name WordNet's noun files, got {name!r}; {hint}")
    if config.min_depth > config.max_depth:
        raise UsageError(
            f"nouns.min_depth must not exceed nouns.max_depth, got {config.min_depth} and "
            f"{config.max_depth}; swap them or leave one out"
        )


def noun_corpus(table: pa.Table, config: NounsConfig, among: pa.Array | None = None) -> pa.Table:
    """The nouns of WordNet `table` (wordnet.SCHEMA) under a configuration.

    Columns key, text, then synset, lexname and depth of the noun's first (most frequent) sense
    that passes the filters, and frequency: its SemCor count over all its senses, 0 if unknown.
    `among`: only nouns that are among these in lower case, with blanks.
    With no filter WordNet 3.0 gives, for `names`:

    - lemmas: 117,798 nouns, each once whatever its case, in the spelling of that first sense.
    - tac: 119,034, every spelling (turkey and Turkey). TAC's list has the 146,347 lemma-sense
      rows behind them; the words alone matter to it, so here each is kept once.
    - sic: 67,893, the first lemma of every synset. SIC's 82,115 rows name 8,887 more than once.
    - sic-literal: 67,892, the same as SIC's code reads it: underscores stay, and the first row
      (entity) is lost as a header.
    """
    check(config)
    entries = _entries(table)
    words = pc.utf8_lower(entries.word) if config.names == "lemmas" else entries.word
    words = words.dictionary_encode()
    codes = words.indices.to_numpy()
    chosen = _first_senses(codes, entries.sense, _passes(table, entries, config))
    if not len(chosen):
        raise UsageError(
            "no noun passes the filters of `nouns`; widen lexnames, depth or max_words"
        )
    if among is not None:
        named = pc.replace_substring(words.dictionary, "_", " ")
        chosen = chosen[pc.is_in(named, among).to_numpy(zero_copy_only=False)[codes[chosen]]]
    frequency = np.bincount(codes, entries.counts)[codes[chosen]]
    space = "_" if config.names == "sic-literal" else " "
    texts = pc.replace_substring(entries.word.take(pa.array(chosen)), "_", space)
    synsets = table.select(["synset", "lexname", "depth"]).take(pa.array(entries.row[chosen]))
    return pa.table(
        [
            pa.array([hash_text(text) for text in texts.to_pylist()], pa.string()),
            texts,
            *synsets.columns,
            pa.array(frequency.astype(np.int32)),
        ],
        names=SCHEMA.names,
    ).cast(SCHEMA)


def given_corpus(texts: list[str], table: pa.Table) -> pa.Table:
    """Given nouns as they are, with what WordNet `table` knows of them (else null)."""
    names = [text.replace("_", " ").lower() for text in texts]
    known = noun_corpus(table, NounsConfig(), pa.array(names, pa.string()))
    row_of = {text.lower(): row for row, text in enumerate(known.column("text").to_pylist())}
    rows = [row_of.get(name) for name in names]
    found = known.take(pa.array(rows, pa.int64()))
    frequency = found.column("frequency").fill_null(0)
    own = {"key": [hash_text(text) for text in texts], "text": texts, "frequency": frequency}
    columns = [own.get(name, found.column(name)) for name in SCHEMA.names]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


class _Entries(NamedTuple):
    """One entry a lemma of a synset: its word, sense, count, the synset's row, its place there."""

    word: pa.Array
    sense: NDArray[np.integer]
    counts: NDArray[np.integer]
    row: NDArray[np.integer]
    place: NDArray[np.integer]


def _entries(table: pa.Table) -> _Entries:
    flat = {name: pc.list_flatten(table.column(name)) for name in ("lemmas", "senses", "counts")}
    row = pc.list_parent_indices(table.column("lemmas")).to_numpy()
    place = np.arange(len(row)) - np.searchsorted(row, row)
    sense, count = flat["senses"].to_numpy(), flat["counts"].to_numpy()
    return _Entries(flat["lemmas"].combine_chunks(), sense, count, row, place)


def _passes(table: pa.Table, entries: _Entries, config: NounsConfig) -> NDArray[np.bool_]:
    depth = table.column("depth").to_numpy()
    synsets = (depth >= config.min_depth) & (depth <= config.max_depth)
    if config.lexnames:
        lexnames = pc.is_in(table.column("lexname"), pa.array(config.lexnames))
        synsets &= lexnames.to_numpy()
    if not config.instances:
        synsets &= pc.list_value_length(table.column("instance_of")).to_numpy() == 0
    keep: NDArray[np.bool_] = synsets[entries.row]
    keep &= pc.count_substring(entries.word, "_").to_numpy() < config.max_words
    if config.names in ("sic", "sic-literal"):
        keep &= entries.place == 0
    if config.names == "sic-literal":
        keep &= entries.row != 0
    return keep if config.taxa else keep & ~_scientific(table, entries)


def _scientific(table: pa.Table, entries: _Entries) -> NDArray[np.bool_]:
    """Which entries are scientific names.

    They are the lemmas of taxa, and names of animals and plants that start with a genus and go
    on in lower case. Genera that are also places (Arizona, Paris) tell nothing.
    """
    row, lexname = entries.row, table.column("lexname")

    def words(mask: NDArray[np.bool_]) -> list[str]:
        return entries.word.filter(pa.array(mask)).to_pylist()  # type: ignore[no-any-return]

    def lies_in(*names: str) -> NDArray[np.bool_]:
        return pc.is_in(lexname, pa.array(names)).to_numpy()[row]  # type: ignore[no-any-return]

    below = pa.array(sorted(wordnet.descendants(table, wordnet.TAXON)), pa.int32())
    is_taxon: NDArray[np.bool_] = pc.is_in(table.column("offset"), below).to_numpy()[row]
    taxa = {word.removeprefix("genus_") for word in words(is_taxon)}
    genera = {word for word in taxa if word[0].isupper()} - {*words(lies_in("noun.location"))}
    first = pc.utf8_is_upper(pc.utf8_slice_codeunits(entries.word, 0, 1))
    living = lies_in("noun.animal", "noun.plant") & ~is_taxon & first.to_numpy(zero_copy_only=False)
    for i, word in zip(np.flatnonzero(living), words(living), strict=True):
        genus, _, species = word.partition("_")
        is_taxon[i] = genus in genera and species.islower()
    return is_taxon


def _first_senses(
    codes: NDArray[np.integer], sense: NDArray[np.integer], keep: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each word the kept entry of its lowest sense number, in the order of the entries."""
    kept = np.flatnonzero(keep)
    ordered = kept[np.argsort(sense[kept], kind="stable")]
    return np.sort(ordered[np.unique(codes[ordered], return_index=True)[1]])

"""The nouns corpus: what a thing is. WordNet's nouns, filtered, each written once.

The filters ask about senses: a noun stays when one of its senses passes all of them.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

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


def noun_corpus(table: pa.Table, config: NounsConfig) -> pa.Table:
    """The nouns of WordNet `table` (wordnet.SCHEMA) under a configuration.

    Columns key, text, then synset, lexname and depth of the noun's first (most frequent) sense
    that passes the filters, and frequency: its SemCor count over all its senses, 0 if unknown.
    With no filter WordNet 3.0 gives, for `names`:

    - lemmas: 117,798 nouns, each once whatever its case, in the spelling of that first sense.
    - tac: 119,034, every spelling (turkey and Turkey). TAC's list has the 146,347 lemma-sense
      rows behind them; the words alone matter to it, so here each is kept once.
    - sic: 67,893, the first lemma of every synset. SIC's 82,115 rows name 8,887 more than once.
    - sic-literal: 67,892, the same as SIC's code reads it: underscores stay, and the first row
      (entity) is lost as a header.
    """
    check(config)
    rows = _rows(table)
    keep = _passes(table, rows, config)
    fold: Callable[[str], str] = str.lower if config.names == "lemmas" else str
    words = [fold(word) for word in rows["word"]]
    chosen = _first_senses(words, rows["sense"], keep)
    if not chosen:
        raise UsageError(
            "no noun passes the filters of `nouns`; widen lexnames, depth or max_words"
        )
    counts = _frequencies(words, rows["count"])
    space = "_" if config.names == "sic-literal" else " "
    texts = [rows["word"][i].replace("_", space) for i in chosen]
    synsets = table.select(["synset", "lexname", "depth"]).take(rows["row"][chosen])
    return pa.table(
        [
            pa.array([hash_text(text) for text in texts]),
            pa.array(texts),
            *synsets.columns,
            pa.array([counts[words[i]] for i in chosen]),
        ],
        names=SCHEMA.names,
    ).cast(SCHEMA)


def given_corpus(texts: list[str], table: pa.Table) -> pa.Table:
    """Given nouns as they are, with what WordNet `table` knows of them (else null)."""
    known = noun_corpus(table, NounsConfig())
    row_of = {text.lower(): row for row, text in enumerate(known.column("text").to_pylist())}
    rows = [row_of.get(text.replace("_", " ").lower()) for text in texts]
    found = known.take(pa.array(rows, pa.int64()))
    frequency = found.column("frequency").fill_null(0)
    own = {"key": [hash_text(text) for text in texts], "text": texts, "frequency": frequency}
    columns = [own.get(name, found.column(name)) for name in SCHEMA.names]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def _rows(table: pa.Table) -> dict[str, Any]:
    """One entry a lemma of a synset: its word, sense, count, the synset's row, its place there."""
    flat = {name: pc.list_flatten(table.column(name)) for name in ("lemmas", "senses", "counts")}
    row = pc.list_parent_indices(table.column("lemmas")).to_numpy()
    first = np.searchsorted(row, row)
    return {
        "word": flat["lemmas"].to_pylist(),
        "sense": flat["senses"].to_numpy(),
        "count": flat["counts"].to_numpy(),
        "row": row,
        "place": np.arange(len(row)) - first,
    }


def _passes(table: pa.Table, rows: dict[str, Any], config: NounsConfig) -> NDArray[np.bool_]:
    depth = table.column("depth").to_numpy()
    synsets = (depth >= config.min_depth) & (depth <= config.max_depth)
    if config.lexnames:
        lexnames = pc.is_in(table.column("lexname"), pa.array(config.lexnames))
        synsets &= lexnames.to_numpy()
    if not config.instances:
        synsets &= pc.list_value_length(table.column("instance_of")).to_numpy() == 0
    keep = synsets[rows["row"]]
    keep &= np.array([word.count("_") < config.max_words for word in rows["word"]])
    if config.names in ("sic", "sic-literal"):
        keep &= rows["place"] == 0
    if config.names == "sic-literal":
        keep &= rows["row"] != 0
    return keep if config.taxa else keep & ~_scientific(table, rows)


def _scientific(table: pa.Table, rows: dict[str, Any]) -> NDArray[np.bool_]:
    """Which entries are scientific names.

    They are the lemmas of taxa, and names of animals and plants that start with a genus and go
    on in lower case. Genera that are also places (Arizona, Paris) tell nothing.
    """
    below = pa.array(sorted(wordnet.descendants(table, wordnet.TAXON)), pa.int32())
    is_taxon = pc.is_in(table.column("offset"), below).to_numpy()[rows["row"]]
    lexname = np.array(table.column("lexname").to_pylist())[rows["row"]]
    living = np.isin(lexname, ["noun.animal", "noun.plant"])
    words = rows["word"]
    places = {words[i] for i in np.flatnonzero(lexname == "noun.location")}
    taxa = {words[i].removeprefix("genus_") for i in np.flatnonzero(is_taxon)}
    genera = {word for word in taxa if word[0].isupper()} - places
    for i in np.flatnonzero(living & ~is_taxon):
        genus, _, species = words[i].partition("_")
        is_taxon[i] = genus in genera and species.islower()
    return is_taxon


def _first_senses(
    words: Sequence[str], sense: NDArray[np.integer], keep: NDArray[np.bool_]
) -> list[int]:
    """For each word the kept entry of its lowest sense number, in the order of the entries."""
    kept = np.flatnonzero(keep)
    first: dict[str, int] = {}
    for i in kept[np.argsort(sense[kept], kind="stable")]:
        first.setdefault(words[i], int(i))
    return sorted(first.values())


def _frequencies(words: Sequence[str], counts: NDArray[np.integer]) -> Counter[str]:
    total: Counter[str] = Counter()
    for word, count in zip(words, counts.tolist(), strict=True):
        total[word] += count
    return total

"""WordNet's nouns as one table, from NLTK's corpus or from the copy inside the package.

Both hold WordNet 3.0. `python -m sortal.tasks.corpora.wordnet FILE` writes the packaged copy
again from NLTK's.
"""

import logging
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.errors import UsageError
from sortal.storage.hashing import hash_file, hash_strings

log = logging.getLogger("sortal")

EMBEDDED = Path(__file__).parent / "data" / "wordnet_nouns.parquet"
FILES = ("data.noun", "index.noun", "cntlist.rev")
TAXON = "taxonomic_group.n.01"  # genus, family and every other rank lie below it
LEXNAMES = (
    "noun.Tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
)
_FIRST_LEXNAME = 3  # number of noun.Tops among all lexicographer files

SCHEMA = pa.schema(
    {
        "offset": pa.int32(),  # in data.noun: the synset's number
        "synset": pa.string(),  # as NLTK names it, such as dog.n.01
        "lexname": pa.string(),
        "depth": pa.int8(),  # edges of the shortest hypernym path to entity
        "lemmas": pa.list_(pa.string()),  # underscores between words, as in WordNet
        "senses": pa.list_(pa.int8()),  # for each lemma: 1 where this is its first sense
        "counts": pa.list_(pa.int16()),  # for each lemma: times so tagged in SemCor
        "hypernyms": pa.list_(pa.int32()),  # offsets
        "instance_of": pa.list_(pa.int32()),  # offsets; only named instances have them
    }
)


@cache
def read_embedded() -> pa.Table:
    """The packaged table of 82,115 noun synsets (`SCHEMA`), in WordNet's order; read once."""
    return pq.read_table(EMBEDDED)


def read_nltk(folder: Any) -> pa.Table:
    """The same table from a WordNet corpus found by `find_nltk`.

    The database files are read directly: NLTK's own reader takes 20 s to list all synsets.
    """
    texts = {name: folder.join(name).open().read().decode() for name in FILES}
    senses = dict(_sense_numbers(texts["index.noun"]))
    counts = dict(_tag_counts(texts["cntlist.rev"]))
    synsets = [_synset(line, senses, counts) for line in _lines(texts["data.noun"])]
    depths = _depths({s["offset"]: s["hypernyms"] + s["instance_of"] for s in synsets})
    rows = [{**synset, "depth": depths[synset["offset"]]} for synset in synsets]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _nltk_folders() -> list[Path]:
    """Where NLTK looks for its data (nltk.data.path), without importing it: that costs a second."""
    given = [Path(name) for name in os.environ.get("NLTK_DATA", "").split(os.pathsep) if name]
    roots = [Path(sys.prefix), *(Path(sys.prefix) / name for name in ("share", "lib"))]
    roots += [Path(name) for name in ("/usr/share", "/usr/local/share", "/usr/lib")]
    return [*given, *(root / "nltk_data" for root in (Path.home(), *roots, Path("/usr/local/lib")))]


def find_nltk() -> Any:
    """NLTK's path pointer to the WordNet corpus (a folder or inside its zip), or None."""
    if "nltk" not in sys.modules and not any(folder.is_dir() for folder in _nltk_folders()):
        return None
    import nltk

    for name in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            folder = nltk.data.find(name)
            for file in FILES:
                folder.join(file)
            return folder
        except (LookupError, OSError, AttributeError):
            continue
    return None


def require_nltk() -> Any:
    """NLTK's WordNet corpus, downloaded by NLTK if it is not there; `UsageError` if that fails."""
    import nltk

    found = find_nltk()
    if found is None:
        log.info("NLTK's WordNet corpus is not here: asking nltk.download for it")
        try:
            nltk.download("wordnet", quiet=True, raise_on_error=True)
        except (ValueError, OSError) as error:
            log.debug("nltk.download: %s", error)
        found = find_nltk()
    if found is None:
        raise UsageError(
            "nouns.source 'nltk' needs NLTK's WordNet corpus, which is neither in NLTK_DATA nor "
            "could be downloaded; use 'embedded', which holds the same nouns"
        )
    return found


def content_of(folder: Any | None) -> str:
    """Hash of the files read: of the corpus in `folder`, or of the packaged table for None."""
    if folder is None:
        return hash_file(EMBEDDED)
    return hash_strings(folder.join(name).open().read().decode() for name in FILES)


def descendants(table: pa.Table, synset: str) -> set[int]:
    """Offsets of `synset` and of all below it; empty if there is no such synset."""
    lists = [table[name] for name in ("hypernyms", "instance_of")]
    above = np.concatenate([pc.list_flatten(each) for each in lists])
    below = table["offset"].to_numpy()[np.concatenate([*map(pc.list_parent_indices, lists)])]
    found = fresh = table["offset"].filter(pc.equal(table["synset"], synset)).to_numpy()
    while len(fresh):
        fresh = np.setdiff1d(below[np.isin(above, fresh)], found)
        found = np.concatenate([found, fresh])
    return set(found.tolist())


def ancestors(table: pa.Table, synsets: set[str]) -> dict[str, frozenset[str]]:
    """For each of `synsets` all synsets above it: hypernyms and what it is an instance of.

    A synset that `table` does not hold has none above it.
    """
    parents = _embedded_parents() if table is read_embedded() else _Parents(table)
    above: dict[str, frozenset[str]] = {}

    def climb(synset: str) -> frozenset[str]:
        if synset not in above:
            direct = parents(synset)
            above[synset] = frozenset(direct).union(*(climb(parent) for parent in direct))
        return above[synset]

    return {synset: climb(synset) for synset in synsets}


class _Parents:
    """The synsets directly above each; a synset that the table does not hold has none."""

    def __init__(self, table: pa.Table) -> None:
        self._synsets = table["synset"].to_pylist()
        self._rows = {synset: row for row, synset in enumerate(self._synsets)}
        offsets = table["offset"].to_numpy()
        order = np.argsort(offsets)
        self._above = [
            (
                np.concatenate([[0], np.cumsum(pc.list_value_length(table[name]).to_numpy())]),
                order[np.searchsorted(offsets, pc.list_flatten(table[name]), sorter=order)],
            )
            for name in ("hypernyms", "instance_of")
        ]

    def __call__(self, synset: str) -> list[str]:
        row = self._rows.get(synset)
        if row is None:
            return []
        rows = [above[ends[row] : ends[row + 1]] for ends, above in self._above]
        return [self._synsets[each] for each in np.concatenate(rows)]


@cache
def _embedded_parents() -> _Parents:
    return _Parents(read_embedded())


def write_embedded(path: Path) -> None:
    """Write the packaged table from NLTK's corpus; the bytes depend on the corpus alone."""
    table = read_nltk(require_nltk())
    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=len(table))


def _lines(text: str) -> Iterator[str]:
    """Lines of a WordNet file without its licence, which is indented."""
    return (line for line in text.split("\n") if line and not line.startswith(" "))


def _sense_numbers(index: str) -> Iterator[tuple[tuple[str, int], int]]:
    for line in _lines(index):
        fields = line.split()
        offsets = fields[-int(fields[2]) :]
        for number, offset in enumerate(offsets, start=1):
            yield (fields[0], int(offset)), number


def _tag_counts(cntlist: str) -> Iterator[tuple[str, int]]:
    for line in _lines(cntlist):
        key, _, count = line.split()
        yield key, int(count)


def _synset(
    line: str, senses: dict[tuple[str, int], int], counts: dict[str, int]
) -> dict[str, Any]:
    """One line of data.noun (its layout is described in WordNet's wndb(5)), without depth."""
    fields = line.partition(" | ")[0].split()
    offset, lexfile, n_lemmas = int(fields[0]), int(fields[1]), int(fields[3], 16)
    lemmas = fields[4 : 4 + 2 * n_lemmas : 2]
    lex_ids = [int(digit, 16) for digit in fields[5 : 5 + 2 * n_lemmas : 2]]
    keys = [f"{w.lower()}%1:{lexfile:02d}:{i:02d}::" for w, i in zip(lemmas, lex_ids, strict=True)]
    numbers = [senses[lemma.lower(), offset] for lemma in lemmas]
    pointers = fields[5 + 2 * n_lemmas :]
    links = list(zip(pointers[0::4], pointers[1::4], strict=False))
    return {
        "offset": offset,
        "synset": f"{lemmas[0].lower()}.n.{numbers[0]:02d}",
        "lexname": LEXNAMES[lexfile - _FIRST_LEXNAME],
        "lemmas": lemmas,
        "senses": numbers,
        "counts": [counts.get(key, 0) for key in keys],
        "hypernyms": [int(target) for symbol, target in links if symbol == "@"],
        "instance_of": [int(target) for symbol, target in links if symbol == "@i"],
    }


def _depths(parents: dict[int, list[int]]) -> dict[int, int]:
    """Edges of the shortest path from each offset to a root."""
    depths: dict[int, int] = {}

    def depth(offset: int) -> int:
        if offset not in depths:
            depths[offset] = min((depth(p) + 1 for p in parents[offset]), default=0)
        return depths[offset]

    for offset in parents:
        depth(offset)
    return depths


if __name__ == "__main__":
    write_embedded(Path(sys.argv[1]) if len(sys.argv) > 1 else EMBEDDED)

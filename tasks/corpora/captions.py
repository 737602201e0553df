"""The captions corpus: what a thing looks like. From a file, the starter set, or vectors.

Captions are tidied, and each is kept once with the number of times it occurred.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import UsageError
from configs.schema import CaptionsConfig
from storage.artifacts import Written
from storage.hashing import hash_file, hash_strings, hash_text
from storage.workspace import Workspace
from tasks.caption_files import read_captions
from tasks.encoders import vectors
from tasks.step import step

STARTER = Path(__file__).parent / "data" / "starter_captions.txt"
CORPUS = "corpus.parquet"
_VECTORS = "vectors:"
_DETACHED = re.compile(r"\s+(?=[.,!?;:]+(?:\s|$)|'s\b|n't\b)")  # "a man 's hat ."
_QUOTED = re.compile(r'"\s*([^"]*?)\s*"')
_SCHEMA = pa.schema({"key": pa.string(), "text": pa.string(), "count": pa.int64()})


def normalise(text: str) -> str:
    """Tidy a caption: Unicode NFC, single spaces, punctuation rejoined to its word."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return _QUOTED.sub(r'"\1"', _DETACHED.sub("", spaced))


def caption_corpus(
    captions: Iterable[str | None], config: CaptionsConfig
) -> tuple[pa.Table, dict[str, int]]:
    """Collect captions into a table with columns key, text and count, and what was left out.

    Captions that differ in case or in their last full stop alone are one; the first spelling
    stays. Those outside [min_words, max_words] are left out, and those that are None, hold
    undecodable bytes or no letter are malformed. The counts are n_read, n_malformed, n_short,
    n_long and n_repeated.
    """
    facts = {"n_read": 0, "n_malformed": 0, "n_short": 0, "n_long": 0}
    texts: dict[str, str] = {}
    counts: dict[str, int] = {}
    for caption in captions:
        facts["n_read"] += 1
        text = normalise(caption or "")
        reason = _fault(text, config)
        if reason:
            facts[reason] += 1
            continue
        same = text.casefold().rstrip(" .")
        texts.setdefault(same, text)
        counts[same] = counts.get(same, 0) + 1
    facts["n_repeated"] = sum(counts.values()) - len(counts)
    return _table(list(texts.values()), list(counts.values())), facts


def _fault(text: str, config: CaptionsConfig) -> str | None:
    if "\N{REPLACEMENT CHARACTER}" in text or not any(map(str.isalpha, text)):
        return "n_malformed"
    words = len(text.split())
    if words < config.min_words:
        return "n_short"
    return "n_long" if words > config.max_words else None


def _table(texts: list[str], counts: list[int]) -> pa.Table:
    return pa.table([[hash_text(text) for text in texts], texts, counts], schema=_SCHEMA)


def _source(config: CaptionsConfig, encoder: str) -> str:
    """The source that is meant: such vectors know no caption but their own."""
    given = encoder.startswith(_VECTORS)
    if config.source == "vectors" and not given:
        raise UsageError(
            f"captions.source 'vectors' needs the encoder vectors:DIR, got {encoder}; use 'starter'"
        )
    return "vectors" if given and config.source == "starter" else config.source


def _path(source: str) -> Path:
    return STARTER if source == "starter" else Path(source).expanduser()


def _given(encoder: str) -> list[str]:
    return vectors.texts(Path(encoder.removeprefix(_VECTORS)), "captions")


def _state(_workspace: Workspace, *, config: CaptionsConfig, encoder: str) -> str:
    source = _source(config, encoder)
    if source == "vectors":
        return hash_strings(_given(encoder))
    path = _path(source)
    return hash_file(path) if path.is_file() else "missing"  # the step says so, in one line


def _load(source: str, config: CaptionsConfig, encoder: str) -> tuple[pa.Table, dict[str, Any]]:
    if source == "vectors":
        texts = _given(encoder)
        return _table(texts, [1] * len(texts)), {}
    file_format = "text" if source == "starter" else config.format
    corpus, facts = caption_corpus(read_captions(_path(source), file_format), config)
    if not len(corpus):
        raise UsageError(
            f"captions.source must hold captions of {config.min_words} to {config.max_words} "
            f"words, got none in {source} ({facts['n_read']} read, {facts['n_malformed']} "
            f"malformed, {facts['n_short']} short, {facts['n_long']} long); check captions.format"
        )
    return corpus, facts


@step("captions", version=1, state=_state)
def load_captions(
    folder: Path, _workspace: Workspace, *, config: CaptionsConfig, encoder: str
) -> Written:
    """Write `corpus.parquet`: key, text, count (int64, times it occurred).

    Sources: `starter`, the packaged captions; a file (`caption_files.read_captions`);
    `vectors`, the captions of the encoder vectors:DIR as they are, which `starter` also means
    with such an encoder.
    """
    source = _source(config, encoder)
    corpus, facts = _load(source, config, encoder)
    pq.write_table(corpus, folder / CORPUS, compression="zstd")
    identity = hash_strings(corpus.column("key").to_pylist())
    facts = {"source": source, "n_texts": len(corpus), **facts}
    return Written(rows=len(corpus), identity=identity, facts=facts)

"""The captions corpus: what a thing looks like. From a file, the starter set, or vectors.

Captions are tidied, and each is kept once with the number of times it occurred.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from sortal.configs.schema import CaptionsConfig
from sortal.storage.hashing import hash_text

STARTER = Path(__file__).parent / "data" / "starter_captions.txt"
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
    return caption_table(list(texts.values()), list(counts.values())), facts


def _fault(text: str, config: CaptionsConfig) -> str | None:
    if "\N{REPLACEMENT CHARACTER}" in text or not any(map(str.isalpha, text)):
        return "n_malformed"
    words = len(text.split())
    if words < config.min_words:
        return "n_short"
    return "n_long" if words > config.max_words else None


def caption_table(texts: list[str], counts: list[int]) -> pa.Table:
    """Columns key, text and count (int64, times it occurred)."""
    return pa.table([[hash_text(text) for text in texts], texts, counts], schema=_SCHEMA)

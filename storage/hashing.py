"""Content hashes and fingerprints (xxh3-128, 32 hexadecimal digits)."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xxhash

_CHUNK = 1 << 20


def hash_bytes(data: bytes) -> str:
    """xxh3-128 of `data` as 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(data)


def hash_text(text: str) -> str:
    """The key of a text: the hash of its UTF-8 bytes."""
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


def hash_strings(strings: Iterable[str]) -> str:
    """One hash of an ordered list of strings (keys, file names), each ended by a newline."""
    digest = xxhash.xxh3_128()
    for string in strings:
        digest.update(string.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def hash_chunks(chunks: Iterable[bytes]) -> str:
    """xxh3-128 of bytes that come piece by piece."""
    digest = xxhash.xxh3_128()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """xxh3-128 of a file's bytes, read in blocks of 1 MiB."""
    with path.open("rb") as file:
        return hash_chunks(iter(lambda: file.read(_CHUNK), b""))


def fingerprint(*parts: Any) -> str:
    """Hash of JSON-able `parts` in canonical form (sorted keys, no spaces)."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hash_text(text)

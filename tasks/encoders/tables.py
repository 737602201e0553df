"""Tables that come with the package: what the packaged encoder would compute, computed already.

A table names the encoder that it was made with and counts for no other, so nothing is wrong where
weights are changed, only slower. `python -m sortal.tasks.embedding.tables` makes them again.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortal.configs.errors import UsageError
from sortal.storage.rows import FloatArray
from sortal.tasks.encoders.base import PLAIN, unit
from sortal.tasks.encoders.files import content_hash

TEXTS = Path(__file__).parent / "data" / "conse_texts.npz"
CLASSES = Path(__file__).parent / "data" / "conse_classes.npz"
_KEY_DIGITS = 16  # of a text's hash: enough to tell every text from these


def write_table(path: Path, encoder: str, **arrays: np.ndarray) -> None:
    """Write the arrays of a table made with the encoder of this fingerprint."""
    named: dict[str, Any] = {"encoder": np.array(encoder), **arrays}
    np.savez(path, **named)


def read_table(path: Path, encoder: str) -> dict[str, np.ndarray] | None:
    """The arrays of a table by name, None where it was made with another encoder.

    Raises UsageError where the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["encoder"]) != encoder:
                return None
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{path.name} must be the file that comes with Sortal, it cannot be read ({reason});"
            " pip install --force-reinstall --no-deps sortal"
        ) from error


def keys_of(keys: Sequence[str]) -> NDArray[np.uint64]:
    """The keys of texts (`hash_text`) as a table has them."""
    return np.array([int(key[:_KEY_DIGITS], 16) for key in keys], np.uint64)


@dataclass(frozen=True)
class KnownTexts:
    """Product-quantised unit vectors of n texts, in m parts of d / m dimensions each.

    `keys` (n,) ascend, `codes` (n, m) are uint8, `codebooks` of shape (m, 256, d / m) are float16.
    `fingerprint` names the table: whatever is made of its vectors is another with another table.
    """

    fingerprint: str
    keys: NDArray[np.uint64]
    codes: NDArray[np.uint8]
    codebooks: NDArray[np.float16]

    def find(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The row of each text by its key, -1 where the table does not have it."""
        wanted = keys_of(keys)
        rows = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        return np.where(self.keys[rows] == wanted, rows, -1)

    def vectors(self, rows: NDArray[np.int64]) -> FloatArray:
        """Unit vectors of these rows, shape (len(rows), d), float32."""
        parts = np.arange(len(self.codebooks))
        found = self.codebooks[parts, self.codes[rows]]
        return unit(found.reshape(len(rows), -1).astype(np.float32))


def known_texts(encoder: str, templates: Sequence[str]) -> KnownTexts | None:
    """The texts known under an encoder's fingerprint; none are under any template."""
    return _known_texts(TEXTS, encoder) if tuple(templates) == PLAIN else None


@lru_cache(maxsize=4)
def _known_texts(path: Path, encoder: str) -> KnownTexts | None:
    table = read_table(path, encoder)
    if table is None:
        return None
    return KnownTexts(content_hash(path), table["keys"], table["codes"], table["codebooks"])

"""What captioners give: a caption, or why there is none, for an image."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol

import pyarrow as pa

from sortal.tasks.corpora.captions import normalise
from sortal.tasks.progress import Advance

MOST = 2000  # characters kept of a caption; no sentence encoder reads as many
TEXTS_FILE = "texts.parquet"  # a row for each image: its key, and its text or null
CAPTION_COLUMNS = pa.schema(
    {
        "key": pa.string(),
        "text": pa.string(),
        "captioner": pa.string(),
        "error_code": pa.string(),
        "error": pa.string(),
    }
)
_ANSWER = re.compile(r"^\s*(answer|caption)\s*:\s*", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Code(StrEnum):
    """Why an image has no caption, besides what a server may do (`tasks/chat/answer.py`)."""

    UNREADABLE = "unreadable"  # the image file itself
    EMPTY = "empty_caption"  # an answer without a word
    NOT_GIVEN = "no_caption"  # the file of captions does not name the image


class Caption(NamedTuple):
    """An image's caption, or why there is none. `lasting`: asking again is in vain."""

    key: str
    text: str | None = None
    error_code: str | None = None
    error: str | None = None
    lasting: bool = True


class CaptionWriter(Protocol):
    """A captioner that is ready to write."""

    def shards(self, todo: pa.Table, advance: Advance) -> Iterator[list[Caption]]:
        """Captions of the images of a table (key, path, offset, bytes), a shard at a time."""


def captioned(key: str, text: str) -> Caption:
    """The caption `text`, tidied; a row without one where no word is left."""
    tidy = normalise(_CONTROL.sub(" ", _ANSWER.sub("", text)))[:MOST].strip()
    if not any(map(str.isalpha, tidy)):
        return Caption(key, None, Code.EMPTY.value, "the answer holds no word")
    return Caption(key, tidy)


def caption_table(captions: Iterable[Caption], captioner: str) -> pa.Table:
    """Rows with the columns CAPTION_COLUMNS."""
    rows = [
        {
            "key": caption.key,
            "text": caption.text,
            "captioner": captioner,
            "error_code": caption.error_code,
            "error": caption.error,
        }
        for caption in captions
    ]
    return pa.Table.from_pylist(rows, schema=CAPTION_COLUMNS)

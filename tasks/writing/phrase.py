"""Which answers are names: one short noun phrase; of anything else a server may say, why not."""

import re
import unicodedata
from enum import StrEnum

_WORDS = 6  # [infer] a name with more is a sentence
_LABEL = re.compile(r"^(answer|name|caption|title)\s*:\s*", re.IGNORECASE)
# Quotes and emphasis, which servers put around a name.
_AROUND = "\"'`*\u201c\u201d\u2018\u2019\u00ab\u00bb \t\r\n"
_INSIDE = " -'\u2019&"


class Refusal(StrEnum):
    """Why an answer is not the cluster's name; `Fault` says why there is no answer."""

    EMPTY = "empty"  # nothing was said
    TOO_LONG = "too_long"
    NOT_A_NAME = "not_a_name"  # several lines, markup, a sentence, signs that no name has
    UNFIT = "does_not_fit"  # the encoder sees it in other clusters as well, or in none
    TAKEN = "taken"  # another cluster's name
    NOTHING = "nothing_to_show"  # a cluster without a term or a readable image: not asked


def name_in(answer: str, longest: int) -> tuple[str | None, Refusal | None]:
    """The name that an answer is, of at most `longest` characters, or why it is none."""
    text = unicodedata.normalize("NFC", answer).strip(_AROUND)
    text = _LABEL.sub("", text).strip(_AROUND).removesuffix(".").strip(_AROUND)
    if not text:
        return None, Refusal.EMPTY
    if len(text) > longest:
        return None, Refusal.TOO_LONG
    words = text.split(" ")
    plain = all(_is_plain(letter) for letter in text) and any(map(str.isalpha, text))
    if not plain or len(words) > _WORDS or "" in words:
        return None, Refusal.NOT_A_NAME
    return text, None


def _is_plain(letter: str) -> bool:
    """Whether names have such a character: a letter with its marks, a digit, or one of few."""
    return letter in _INSIDE or unicodedata.category(letter)[0] in "LMN"

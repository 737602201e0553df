"""What a server answers: a text, a failure that may pass, or one that will not."""

import email.utils
import time
from enum import StrEnum
from typing import NamedTuple

import httpx

NOT_ASKED = "not asked"  # the error of a question that was not put to a server that is down
_SHOWN = 200  # characters of a server's answer that are worth showing


class Fault(StrEnum):
    """Why a question has no answer."""

    REFUSED = "refused"  # the server will not have this question
    DENIED = "denied"  # the server will not have the key or the model
    BAD_ANSWER = "bad_answer"  # not JSON, or not what was agreed
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


_AGAIN = (
    Fault.RATE_LIMITED,
    Fault.SERVER_ERROR,
    Fault.TIMEOUT,
    Fault.UNREACHABLE,
    Fault.BAD_ANSWER,
)


class Answer(NamedTuple):
    """A text, or what went wrong; `wait`: the seconds after which the server will be asked."""

    text: str | None = None
    code: Fault = Fault.BAD_ANSWER
    error: str = ""
    wait: float | None = None

    @property
    def again(self) -> bool:
        """Whether it may help to ask again at once."""
        return self.text is None and self.code in _AGAIN


def read_answer(response: httpx.Response) -> Answer:
    """What a server's response says: a text, a failure that may pass, or one that will not."""
    status = response.status_code
    if status == 200:
        return _content(response)
    error = f"HTTP {status}: {_excerpt(response)}"
    if status == 429:
        wait = retry_after(response)
        return Answer(code=Fault.RATE_LIMITED, error=error, wait=wait)
    if status in (408, 409, 425) or status >= 500:
        wait = retry_after(response)
        return Answer(code=Fault.SERVER_ERROR, error=error, wait=wait)
    denied = status in (401, 403, 404)  # the key, the address or the model: no question's fault
    return Answer(code=Fault.DENIED if denied else Fault.REFUSED, error=error)


def _content(response: httpx.Response) -> Answer:
    try:
        content = response.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        error = f"no choices[0].message.content in {_excerpt(response)!r}"
        return Answer(code=Fault.BAD_ANSWER, error=error)
    if isinstance(content, list):  # parts, of which some are text
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    text = content if isinstance(content, str) else ""
    return Answer(text=text.encode("utf-8", "replace").decode("utf-8"))  # half of a pair is no text


def _excerpt(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:_SHOWN]


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the header Retry-After asks for, as a number or as a date."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None

"""Files of http:// and https:// addresses: fetched whole, within limits, tried again."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import BinaryIO, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from sortal.configs.remote import RemoteConfig, hide, require_proxy_is_known
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.retries import answered, is_down, retried

_CONNECT = 5.0  # seconds
_SLOWEST = 10_000  # bytes a second, after the first `timeout` seconds
_REDIRECTS = 8
_BLOCK = 1 << 16
_AGENT = "sortal (reads images that its user lists)"
_ASK_AGAIN = {429, 503}
_KINDS = {
    httpx.InvalidURL: Code.BAD_URL,
    httpx.UnsupportedProtocol: Code.BAD_URL,
    httpx.TooManyRedirects: Code.HTTP_400,
    httpx.DecodingError: Code.DAMAGED,
    httpx.HTTPError: Code.UNREACHABLE,
}
T = TypeVar("T")


class Answer(NamedTuple):
    """What a server says of a file: its size (-1: it does not say), version and kind."""

    bytes: int
    version: str
    kind: str  # such as "image/jpeg"
    takes_ranges: bool


class RefusalError(ImageError):
    """A status that is no success. `retry_after`: seconds that the server asks to wait."""

    def __init__(self, status: int, retry_after: float = 0.0) -> None:
        code = Code.of_status(status)
        self.retry_after = retry_after
        super().__init__(code, f"status {status}: {code.meaning}")


class TooLargeError(ImageError):
    """A file of more bytes than wanted; `answer` is what the server says of it."""

    def __init__(self, answer: Answer, limit: int) -> None:
        self.answer = answer
        super().__init__(Code.TOO_LARGE, f"more than {limit:,} bytes; not read")


def download(url: str, into: BinaryIO, limit: int, settings: RemoteConfig) -> Answer:
    """Write the bytes of `url` into a file; raises ImageError, TooLargeError over the limit.

    A server that did not answer for several files in a row is not asked any more.
    """
    return _of_server(url, partial(_download, url, into, limit, settings), settings)


def ask(url: str, settings: RemoteConfig) -> Answer:
    """What the server says of a file, of which nothing is read; raises ImageError."""

    def action() -> Answer:
        with _client(os.getpid(), settings).stream("GET", url) as response:
            return _answer(response)

    return _of_server(url, action, settings)


def fetch_range(url: str, answer: Answer, settings: RemoteConfig, start: int, stop: int) -> bytes:
    """The bytes [start, stop) of a file that is still the one of `answer`; raises ImageError."""

    def action() -> bytes:
        asked = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        response = _client(os.getpid(), settings).get(url, headers=asked)
        now = _answer(response)
        if response.status_code != 206 or now.version != answer.version:
            raise ImageError(Code.CHANGED)
        return response.content

    return _of_server(url, action, settings)


def _of_server(url: str, action: Callable[[], T], settings: RemoteConfig) -> T:
    server = _server(url)
    if is_down(server):
        raise ImageError(Code.UNREACHABLE, f"{server} gave no answer for the files before it")
    try:
        found = retried(partial(_translated, action), settings)
    except ImageError as error:
        answered(server, error.code)
        raise
    answered(server, None)
    return found


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() in ("http", "https") and parts.hostname:
            return f"{parts.hostname}:{parts.port or ''}"
    except ValueError:
        pass
    raise ImageError(Code.BAD_URL)


def _translated(action: Callable[[], T]) -> T:
    """What `action` gives; its client's errors as ImageError."""
    try:
        return action()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        code = next(code for kind, code in _KINDS.items() if isinstance(error, kind))
        text = " ".join(f"{code.meaning} ({error})".split())
        raise ImageError(code, hide(text)[:200]) from None


def _download(url: str, into: BinaryIO, limit: int, settings: RemoteConfig) -> Answer:
    into.seek(0)
    into.truncate()
    begun = time.monotonic()
    with _client(os.getpid(), settings).stream("GET", url) as response:
        answer = _answer(response)
        if answer.bytes > limit:
            raise TooLargeError(answer, limit)
        size = 0
        for block in response.iter_bytes(_BLOCK):
            into.write(block)
            size += len(block)
            if size > limit:  # the server said nothing of its size, or it is compressed
                raise TooLargeError(answer, limit)
            late = time.monotonic() - begun - settings.timeout
            if late > 0 and size < late * _SLOWEST:
                raise ImageError(Code.UNREACHABLE, f"it came at less than {_SLOWEST:,} bytes/s")
    return answer


def _answer(response: httpx.Response) -> Answer:
    status, headers = response.status_code, response.headers
    if status >= 300:
        raise RefusalError(status, _seconds(headers) if status in _ASK_AGAIN else 0.0)
    if status not in (200, 203, 206):
        raise ImageError(Code.HTTP_400, f"status {status}: no file in the answer")
    size = headers.get("content-length", "")
    known = size.isdigit() and "content-encoding" not in headers
    version = headers.get("etag") or headers.get("last-modified") or ""
    return Answer(
        int(size) if known else -1,
        version.removeprefix("W/").strip('"'),
        headers.get("content-type", "").partition(";")[0].strip().lower(),
        headers.get("accept-ranges", "").lower() == "bytes",
    )


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return 0.0


@lru_cache(maxsize=2)
def _client(_pid: int, settings: RemoteConfig) -> httpx.Client:
    """One client a process and settings: threads share it."""
    require_proxy_is_known()
    for name in ("httpx", "httpcore"):  # a line for every request, with its secrets
        logging.getLogger(name).setLevel(logging.WARNING)
    most = settings.concurrency
    return httpx.Client(
        follow_redirects=True,
        max_redirects=_REDIRECTS,
        headers={"User-Agent": _AGENT, "Accept": "image/*,*/*;q=0.8"},
        timeout=httpx.Timeout(settings.timeout, connect=min(_CONNECT, settings.timeout)),
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
    )

"""The captioner `openai`: a server that speaks OpenAI's chat completions describes images.

Every failure is one image's, in a row; only a server that answers nothing stops the run.
"""

import base64
import email.utils
import io
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
from PIL import Image

from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.configs.modalities import OpenAiConfig
from sortal.configs.schema import CaptionsConfig, ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import Caption, Code, captioned
from sortal.tasks.captioning.captioner import Captioner, CaptionImagesInputs
from sortal.tasks.captioning.credentials import Credentials, credentials
from sortal.tasks.errors import Failure
from sortal.tasks.pictures.decode import middle, read_image
from sortal.tasks.progress import Advance
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.registry import open_source

log = logging.getLogger("sortal")

_SHOWN = 200  # characters of a server's answer that are worth showing


_AGAIN = (Code.RATE_LIMITED, Code.SERVER_ERROR, Code.TIMEOUT, Code.UNREACHABLE, Code.BAD_ANSWER)


class Answer(NamedTuple):
    """A caption, or what went wrong; `wait`: the seconds after which the server will be asked."""

    text: str | None = None
    code: Code = Code.BAD_ANSWER
    error: str = ""
    wait: float | None = None

    @property
    def again(self) -> bool:
        """Whether it may help to ask again at once."""
        return self.text is None and self.code in _AGAIN


class OpenAiCaptioner(Captioner[OpenAiConfig]):
    """Captions by a server's model."""

    @property
    def name(self) -> str:
        """With the name of the model."""
        return f"openai:{self.settings.model}"

    def check(self, captions: CaptionsConfig) -> None:
        """Refuse settings without a server or a model."""
        check_endpoint(self.settings)

    def open(self, workspace: Workspace, inputs: CaptionImagesInputs, kept: Path) -> "Endpoint":
        """Without asking the server anything yet."""
        source = open_source(inputs.source)
        return Endpoint(self.settings, source, inputs.reading or ImagesConfig())


class Endpoint:
    """A server, asked `concurrency` questions at once."""

    def __init__(self, config: OpenAiConfig, source: Source, reading: ImagesConfig) -> None:
        self._config, self._source, self._reading = config, source, reading
        self._access = check_endpoint(config)
        self._health = Health(config.give_up_after, self._access)
        self._client = httpx.Client(timeout=config.timeout, headers=_headers(self._access))
        self._url = f"{self._access.base_url.rstrip('/')}/chat/completions"
        self._not_before = 0.0  # a server that asks for a pause asks all requests

    def shards(self, todo: pa.Table, advance: Advance) -> Iterator[list[Caption]]:
        """Captions of the images of `todo`, `shard_size` at a time.

        Raises RunError where the server refuses the key or the model, TransientError where nothing
        is answered any more; what was answered before is kept.
        """
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request
        with self._client, ThreadPoolExecutor(self._config.concurrency) as pool:
            for start in range(0, todo.num_rows, self._config.shard_size):
                rows = todo.slice(start, self._config.shard_size).to_pylist()
                held: list[Caption] = []
                for caption in pool.map(self._caption, rows):
                    held.append(caption)
                    advance(1, self._health.note())
                yield held
                self._health.check()

    def _caption(self, row: dict[str, Any]) -> Caption:
        key = row["key"]
        if self._health.is_down:
            return Caption(key, None, Code.UNREACHABLE.value, "not asked", lasting=False)
        image = read_image(self._source, row, self._reading)
        if isinstance(image, Failure):
            return Caption(key, None, Code.UNREADABLE.value, image.error, image.lasting)
        answer = self._ask(self._body(image))
        self._health.saw(answer)
        if answer.text is None:
            lasting = answer.code is Code.REFUSED and self._health.has_answered
            error = self._access.hide(answer.error)
            return Caption(key, None, answer.code.value, error, lasting)
        return captioned(key, self._access.hide(answer.text))

    def _body(self, image: Image.Image) -> dict[str, Any]:
        config = self._config
        content = [
            {"type": "text", "text": config.prompt},
            {"type": "image_url", "image_url": {"url": data_url(image, config.image_side)}},
        ]
        ours = {
            "model": config.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": config.max_tokens,
            "temperature": config.temperature,
        }
        return {name: each for name, each in (ours | config.body).items() if each is not None}

    def _ask(self, body: dict[str, Any]) -> Answer:
        """The answer to a question, asked again while it may help and the server is not down."""
        for attempt in range(self._config.retries + 1):
            time.sleep(max(self._not_before - time.monotonic(), 0.0))
            answer = self._once(body)
            if not answer.again or attempt == self._config.retries or self._health.is_down:
                break
            pause = self._config.backoff * 2**attempt if answer.wait is None else answer.wait
            pause = min(pause, self._config.max_wait)
            if answer.wait is not None:
                self._not_before = time.monotonic() + pause
            time.sleep(pause)
        return answer

    def _once(self, body: dict[str, Any]) -> Answer:
        try:
            response = self._client.post(self._url, json=body)
        except httpx.TimeoutException:
            limit = f"no answer within {self._config.timeout:g} s"
            return Answer(code=Code.TIMEOUT, error=limit)
        except httpx.HTTPError as error:
            text = str(error) or type(error).__name__
            return Answer(code=Code.UNREACHABLE, error=text)
        return read_answer(response)


def check_endpoint(config: OpenAiConfig) -> Credentials:
    """Where the server is; raises UsageError where that or the model is not said."""
    if not config.model:
        raise UsageError(
            "captioner.openai.model must name the server's model, got none; such as "
            "--set captioner.openai.model=Qwen/Qwen2.5-VL-7B-Instruct"
        )
    return credentials(config)


def _headers(access: Credentials) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.key}"} if access.key else {}


def data_url(image: Image.Image, side: int) -> str:
    """The image as a JPEG of at most `side` pixels a side, in a `data:` address."""
    picture = middle(image)
    picture.thumbnail((side, side))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def read_answer(response: httpx.Response) -> Answer:
    """What a server's response says: a caption, a failure that may pass, or one that will not."""
    status = response.status_code
    if status == 200:
        return _content(response)
    error = f"HTTP {status}: {_excerpt(response)}"
    if status == 429:
        wait = retry_after(response)
        return Answer(code=Code.RATE_LIMITED, error=error, wait=wait)
    if status in (408, 409, 425) or status >= 500:
        wait = retry_after(response)
        return Answer(code=Code.SERVER_ERROR, error=error, wait=wait)
    denied = status in (401, 403, 404)  # the key, the address or the model: no image's fault
    return Answer(code=Code.DENIED if denied else Code.REFUSED, error=error)


def _content(response: httpx.Response) -> Answer:
    try:
        content = response.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        error = f"no choices[0].message.content in {_excerpt(response)!r}"
        return Answer(code=Code.BAD_ANSWER, error=error)
    if isinstance(content, list):  # parts, of which some are text
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return Answer(text=content if isinstance(content, str) else "")


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


class Health:
    """Whether a server still answers: it counts failures in a row, over all threads."""

    def __init__(self, most: int, access: Credentials) -> None:
        self._most, self._access = most, access
        self._lock = threading.Lock()
        self._in_a_row = self._failed = 0
        self._last = Answer()
        self.has_answered = False

    @property
    def is_down(self) -> bool:
        """Whether asking on is in vain."""
        return self._in_a_row >= self._most

    def saw(self, answer: Answer) -> None:
        """Count an answer. Until one was good, no image is to blame for a failure."""
        with self._lock:
            if answer.text is not None:
                self.has_answered, self._in_a_row = True, 0
                return
            self._failed += 1
            self._last = answer
            if not self.has_answered and answer.code in (Code.DENIED, Code.UNREACHABLE):
                self._in_a_row = self._most
            elif not self.has_answered or answer.code is not Code.REFUSED:
                self._in_a_row += 1

    def note(self) -> str:
        """A few words for the progress."""
        return f"{self._failed} failed" if self._failed else ""

    def check(self) -> None:
        """Raise the one line that says why the server is of no use, where it is of none."""
        if not self.is_down:
            return
        host, last = self._access.host, self._access.hide(self._last.error)
        if self._last.code is Code.DENIED:
            raise RunError(
                f"the caption server {host} must know the key, the address and the model, it "
                f"answers {last}; correct them and run again"
            )
        kind = RunError if self._last.code is Code.REFUSED else TransientError
        raise kind(
            f"the caption server {host} must answer, {self._failed:,} images had no caption, the "
            f"last: {last}; captions so far are kept, run again to go on"
        )

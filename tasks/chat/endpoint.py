"""A server that is asked many questions at once; every failure is one question's.

How often and how long it is asked is a matter of settings (`EndpointConfig`).
"""

import base64
import io
import logging
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

import httpx
from PIL import Image

from sortal.configs.modalities import EndpointConfig
from sortal.configs.remote import require_proxy_is_known
from sortal.tasks.chat.answer import NOT_ASKED, Answer, Fault, read_answer
from sortal.tasks.chat.credentials import Credentials
from sortal.tasks.pictures.decode import middle

Part = dict[str, Any]  # of a question: a text or an image


class Endpoint(AbstractContextManager["Endpoint"]):
    """A server's model, asked from any number of threads. Making one asks nothing."""

    def __init__(self, config: EndpointConfig, model: str, access: Credentials) -> None:
        self.config, self.access = config, access
        self.health = Health(config.give_up_after)
        self._model = model
        require_proxy_is_known()
        self._client = httpx.Client(timeout=config.timeout, headers=_headers(access))
        self._url = f"{access.base_url.rstrip('/')}/chat/completions"
        self._not_before = 0.0  # a server that asks for a pause asks all requests
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def ask(self, parts: list[Part]) -> Answer:
        """The answer to a question of `parts`, without the key; not asked of a server that is down.

        It is asked again while that may help.
        """
        if self.health.is_down:
            return Answer(code=Fault.UNREACHABLE, error=NOT_ASKED)
        answer = self._ask(self._body(parts))
        self.health.saw(answer)
        if answer.text is not None:
            return answer._replace(text=self.access.hide(answer.text))
        return answer._replace(error=self.access.hide(answer.error))

    def _body(self, parts: list[Part]) -> dict[str, Any]:
        config = self.config
        ours = {
            "model": self._model,
            "messages": [{"role": "user", "content": parts}],
            "max_tokens": config.max_tokens,
            "temperature": config.temperature,
        }
        return {name: each for name, each in (ours | config.body).items() if each is not None}

    def _ask(self, body: dict[str, Any]) -> Answer:
        for attempt in range(self.config.retries + 1):
            time.sleep(max(self._not_before - time.monotonic(), 0.0))
            answer = self._once(body)
            if not answer.again or attempt == self.config.retries or self.health.is_down:
                break
            pause = self.config.backoff * 2**attempt if answer.wait is None else answer.wait
            pause = min(pause, self.config.max_wait)
            if answer.wait is not None:
                self._not_before = time.monotonic() + pause
            time.sleep(pause)
        return answer

    def _once(self, body: dict[str, Any]) -> Answer:
        try:
            response = self._client.post(self._url, json=body)
        except httpx.TimeoutException:
            limit = f"no answer within {self.config.timeout:g} s"
            return Answer(code=Fault.TIMEOUT, error=limit)
        except httpx.HTTPError as error:
            text = str(error) or type(error).__name__
            return Answer(code=Fault.UNREACHABLE, error=text)
        return read_answer(response)


def _headers(access: Credentials) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.key}"} if access.key else {}


def text_part(text: str) -> Part:
    """A text as a part of a question."""
    return {"type": "text", "text": text}


def image_part(image: Image.Image, side: int) -> Part:
    """An image as a part of a question: a JPEG of at most `side` pixels a side."""
    picture = middle(image)
    picture.thumbnail((side, side))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    url = f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


class Health:
    """Whether a server still answers: it counts failures in a row, over all threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._in_a_row = 0
        self.failed = 0
        self.last = Answer()
        self.has_answered = False

    @property
    def is_down(self) -> bool:
        """Whether asking on is in vain."""
        return self._in_a_row >= self._most

    def saw(self, answer: Answer) -> None:
        """Count an answer. Until one was good, no question is to blame for a failure."""
        with self._lock:
            if answer.text is not None:
                self.has_answered, self._in_a_row = True, 0
                return
            self.failed += 1
            self.last = answer
            if not self.has_answered and answer.code in (Fault.DENIED, Fault.UNREACHABLE):
                self._in_a_row = self._most
            elif not self.has_answered or answer.code is not Fault.REFUSED:
                self._in_a_row += 1

    def note(self) -> str:
        """A few words for the progress."""
        return f"{self.failed} failed" if self.failed else ""

"""The captioner `openai`: a server that speaks OpenAI's chat completions describes images.

Every failure is one image's, in a row; only a server that answers nothing stops the run.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.configs.modalities import OpenAiConfig
from sortal.configs.schema import CaptionsConfig, ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import Caption, Code, captioned
from sortal.tasks.captioning.captioner import Captioner, CaptionImagesInputs
from sortal.tasks.chat.answer import NOT_ASKED, Fault
from sortal.tasks.chat.credentials import Credentials, credentials
from sortal.tasks.chat.endpoint import Endpoint, image_part, text_part
from sortal.tasks.errors import Failure
from sortal.tasks.pictures.decode import read_image
from sortal.tasks.progress import Advance
from sortal.tasks.sources.base import Source
from sortal.tasks.sources.registry import open_source


class OpenAiCaptioner(Captioner[OpenAiConfig]):
    """Captions by a server's model."""

    @property
    def name(self) -> str:
        """With the name of the model."""
        return f"openai:{self.settings.model}"

    def check(self, captions: CaptionsConfig) -> None:
        """Refuse settings without a server or a model."""
        check_endpoint(self.settings)

    def open(self, workspace: Workspace, inputs: CaptionImagesInputs, kept: Path) -> "OpenAiWriter":
        """Without asking the server anything yet."""
        source = open_source(inputs.source)
        return OpenAiWriter(self.settings, source, inputs.reading or ImagesConfig())


class OpenAiWriter:
    """A server, asked about `concurrency` images at once."""

    def __init__(self, config: OpenAiConfig, source: Source, reading: ImagesConfig) -> None:
        self._config, self._source, self._reading = config, source, reading
        self._endpoint = Endpoint(config, config.model, check_endpoint(config))

    def shards(self, todo: pa.Table, advance: Advance) -> Iterator[list[Caption]]:
        """Captions of the images of `todo`, `shard_size` at a time.

        Raises RunError where the server refuses the key or the model, TransientError where nothing
        is answered any more; what was answered before is kept.
        """
        with self._endpoint, ThreadPoolExecutor(self._config.concurrency) as pool:
            for start in range(0, todo.num_rows, self._config.shard_size):
                rows = todo.slice(start, self._config.shard_size).to_pylist()
                held: list[Caption] = []
                for caption in pool.map(self._caption, rows):
                    held.append(caption)
                    advance(1, self._endpoint.health.note())
                yield held
                _check_health(self._endpoint)

    def _caption(self, row: dict[str, Any]) -> Caption:
        key, health = row["key"], self._endpoint.health
        if health.is_down:
            return Caption(key, None, Fault.UNREACHABLE.value, NOT_ASKED, lasting=False)
        image = read_image(self._source, row, self._reading)
        if isinstance(image, Failure):
            return Caption(key, None, Code.UNREADABLE.value, image.error, image.lasting)
        parts = [text_part(self._config.prompt), image_part(image, self._config.image_side)]
        answer = self._endpoint.ask(parts)
        if answer.text is None:
            lasting = answer.code is Fault.REFUSED and health.has_answered
            return Caption(key, None, answer.code.value, answer.error, lasting)
        return captioned(key, answer.text)


def check_endpoint(config: OpenAiConfig) -> Credentials:
    """Where the server is; raises UsageError where that or the model is not said."""
    if not config.model:
        raise UsageError(
            "captioner.openai.model must name the server's model, got none; such as "
            "--set captioner.openai.model=Qwen/Qwen2.5-VL-7B-Instruct"
        )
    return credentials(config)


def _check_health(endpoint: Endpoint) -> None:
    """Raise the one line that says why the server is of no use, where it is of none."""
    health = endpoint.health
    if not health.is_down:
        return
    host, last = endpoint.access.host, endpoint.access.hide(health.last.error)
    if health.last.code is Fault.DENIED:
        raise RunError(
            f"the caption server {host} must know the key, the address and the model, it "
            f"answers {last}; correct them and run again"
        )
    kind = RunError if health.last.code is Fault.REFUSED else TransientError
    raise kind(
        f"the caption server {host} must answer, {health.failed:,} images had no caption, the "
        f"last: {last}; captions so far are kept, run again to go on"
    )

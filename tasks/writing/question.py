"""What an endpoint is asked of a cluster, and its answers, kept by what was asked.

It is shown the cluster's terms and its typical images, as small JPEGs; no file name, no label.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.modalities import NamingConfig
from sortal.configs.schema import ImagesConfig
from sortal.configs.section import identity_of
from sortal.storage.artifacts import Artifact
from sortal.storage.hashing import fingerprint
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.chat.credentials import Credentials, credentials
from sortal.tasks.chat.endpoint import Endpoint, Part, image_part, text_part
from sortal.tasks.embedding.readable import readable_images
from sortal.tasks.errors import Failure
from sortal.tasks.pictures.decode import read_image
from sortal.tasks.progress import progress
from sortal.tasks.sources.registry import open_source
from sortal.tasks.writing.phrase import Refusal

_VERSION = 1  # of how terms and images become a question
_MOST = 2000  # characters kept of an answer
_KEPT_AT_ONCE = 64  # answers that a killed run may lose


class Question(NamedTuple):
    """What is known of a cluster: its terms, best first, and the keys of its typical images."""

    cluster: int
    terms: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def key(self) -> str:
        """What its answer is kept by."""
        return fingerprint(self.terms, self.images)


class Reply(NamedTuple):
    """An answer, or why there is none. `lasting`: asking again is in vain."""

    text: str | None = None
    code: str | None = None
    error: str = ""
    lasting: bool = True


@dataclass(frozen=True)
class Pictures:
    """Where the images of a scan are read."""

    scan: Artifact
    source: str
    reading: ImagesConfig


def access_of(config: NamingConfig) -> Credentials:
    """Where the endpoint is; raises UsageError where that is not said."""
    return credentials(config.openai, "naming.openai")


def replies(
    workspace: Workspace, questions: Sequence[Question], config: NamingConfig, pictures: Pictures
) -> tuple[list[Reply], int]:
    """The reply to each question, and how many were asked now: none that was answered before."""
    settings = identity_of(config.openai)
    settings.pop("longest")  # which answers are names is decided afterwards
    store = VectorStore.of(
        workspace, fingerprint("names", config.writer, settings, _VERSION), "names"
    )
    found = {key: Reply(text) for key, text in _kept(store).items()}
    todo = list({each.key: each for each in questions if each.key not in found}.values())
    if todo:
        asker = _Asker(workspace, config, pictures, todo)
        given = asker.replies()
        while some := list(islice(given, _KEPT_AT_ONCE)):
            found |= dict(some)
            good = {key: each.text for key, each in some if each.text is not None and each.lasting}
            if good:
                columns = {"key": list(good), "text": list(good.values())}
                store.add_table(pa.table(columns, pa.schema({"key": "str", "text": "str"})))
    return [found[each.key] for each in questions], len(todo)


def _kept(store: VectorStore) -> dict[str, str]:
    tables = (pq.read_table(shard, columns=["key", "text"]) for shard in store.shards())
    rows = (row for table in tables for row in table.to_pylist())
    return {row["key"]: row["text"] for row in rows}


class _Asker:
    """Asks the endpoint about clusters, `concurrency` at once."""

    def __init__(
        self,
        workspace: Workspace,
        config: NamingConfig,
        pictures: Pictures,
        questions: Sequence[Question],
    ) -> None:
        self._config, self._reading, self._questions = config.openai, pictures.reading, questions
        self._endpoint = Endpoint(config.openai, config.model or "", access_of(config))
        self._source = open_source(pictures.source)
        wanted = {key for each in questions for key in each.images}
        table = readable_images(pictures.scan.file(workspace, "images.parquet"))
        chosen = pc.is_in(table["key"], pa.array(sorted(wanted), pa.string()))
        self._rows = {row["key"]: row for row in table.filter(chosen).to_pylist()}

    def replies(self) -> Iterator[tuple[str, Reply]]:
        """The reply to each question, by its key."""
        with (
            self._endpoint,
            ThreadPoolExecutor(self._config.concurrency) as pool,
            progress("writing names", len(self._questions), unit="clusters") as advance,
        ):
            for question, reply in zip(
                self._questions, pool.map(self._reply, self._questions), strict=True
            ):
                advance(1, self._endpoint.health.note())
                yield question.key, reply

    def _reply(self, question: Question) -> Reply:
        shown, whole = self._images(question)
        if not shown and not question.terms:
            return Reply(code=Refusal.NOTHING.value, error="no terms, no image that can be read")
        answer = self._endpoint.ask([text_part(self._words(question, bool(shown))), *shown])
        if answer.text is None:
            return Reply(None, answer.code.value, answer.error, lasting=False)
        return Reply(answer.text[:_MOST], lasting=whole)

    def _words(self, question: Question, shown: bool) -> str:
        said = [self._config.prompt]
        if not shown:
            said.append("No image can be shown: go by the words.")
        if question.terms:
            said.append(f"Words that fit the images, the best first: {', '.join(question.terms)}.")
        return "\n".join(said)

    def _images(self, question: Question) -> tuple[list[Part], bool]:
        """Those images that can be read, and whether the others never can be."""
        rows = [self._rows[key] for key in question.images if key in self._rows]
        read = [read_image(self._source, row, self._reading) for row in rows]
        failed = [each for each in read if isinstance(each, Failure)]
        side = self._config.image_side
        parts = [image_part(each, side) for each in read if not isinstance(each, Failure)]
        return parts, all(each.lasting for each in failed)


def line_of(reply: Reply) -> str:
    """Why there is no answer, in a few words."""
    return ": ".join(" ".join(text.split()) for text in (str(reply.code), reply.error) if text)

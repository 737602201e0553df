"""What a captioner is: a name, what its captions depend on, and a way to open it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from sortal.configs.modalities import CaptionerSettings
from sortal.configs.schema import CaptionsConfig, ImagesConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.captioning.caption import CaptionWriter
from sortal.tasks.step import optional

S = TypeVar("S", bound=CaptionerSettings)


@dataclass(frozen=True, kw_only=True)
class CaptionImagesInputs:
    """Inputs of `caption_images`.

    `scan` and `reading` are for captioners that look at files, `corpus` and `text_vectors` for
    those that choose among the texts of a corpus.
    """

    config: CaptionerSettings
    images: Artifact
    source: str
    scan: Artifact | None = optional()
    reading: ImagesConfig | None = optional()
    corpus: Artifact | None = optional()
    text_vectors: Artifact | None = optional()


class Captioner(Generic[S]):
    """A captioner with its settings; making one opens nothing."""

    unread: ClassVar[tuple[str, ...]] = ("corpus", "text_vectors")  # inputs it does without

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @property
    def name(self) -> str:
        """What its captions are marked with."""
        raise NotImplementedError

    def state(self) -> str | None:
        """What decides its captions besides settings and inputs; raises UsageError without it."""
        return None

    def check(self, captions: CaptionsConfig) -> None:
        """Raise UsageError, before any work, where it cannot be used."""
        self.state()

    def store_parts(self, inputs: CaptionImagesInputs) -> list[Any]:
        """What its store is named by besides the settings: captions of two never mix."""
        return []

    def open(self, workspace: Workspace, inputs: CaptionImagesInputs, kept: Path) -> CaptionWriter:
        """Ready to write; `kept` is the folder of its captions, for what must stay the same."""
        raise NotImplementedError

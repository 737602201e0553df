"""What a run knows besides pixels: modalities, captions and names and who writes them, classes."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sortal.configs.errors import UsageError, expanded
from sortal.configs.heads import HeadConfig
from sortal.configs.section import Runtime, Section

LABELS = "labels"  # whose names are those of the classes
BUILT_IN = ("image", "noun", "caption")  # the image's own vector and its counterparts
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ModalityConfig(Section):
    """One further modality: where it comes from, and how it becomes vectors."""

    # column: a text column of the source's metadata. captions: what the run's captioner writes.
    # vectors: ready-made ones from Parquet files.
    kind: Literal["column", "captions", "vectors"]
    column: str | None = None  # default: the modality's own name
    source: str | None = None  # a Parquet file (key or file_name, vector), or a folder of them
    encoder: str = "minilm"  # of texts: minilm | conse | open_clip:MODEL/PRETRAINED | vectors:DIR

    @model_validator(mode="after")
    def _whole(self) -> "ModalityConfig":
        if (self.source is None) == (self.kind == "vectors"):
            raise UsageError(
                f"a modality of kind {self.kind} must "
                f"{'have' if self.source is None else 'not have'} a source, got {self.source!r}; "
                "a source is the Parquet file of ready-made vectors"
            )
        return self


def check_names(names: Iterable[str]) -> None:
    """Raise `UsageError` for a modality's name that is taken, or no plain word."""
    for name in names:
        if name in BUILT_IN or not _NAME.fullmatch(name):
            raise UsageError(
                "a modality's name must be lower-case letters, digits and _, and none of "
                f"{', '.join(BUILT_IN)}, got {name!r}; call it title, audio, ..."
            )


class NearestConfig(Section):
    """The closest captions of the captions corpus, by the run's encoder. Works offline."""

    count: int = Field(1, ge=1, le=20)  # so many, joined to one caption [infer]
    centred: bool = True  # remove each modality's mean before comparing [infer]


class CocaConfig(Section):
    """open_clip's CoCa writes captions, by beam search."""

    # MODEL/PRETRAINED, where PRETRAINED is a tag or a file; or hf-hub:… or local-dir:…
    checkpoint: str = "coca_ViT-L-14/mscoco_finetuned_laion2b_s13b_b90k"
    beams: int = Field(4, ge=1, le=64)  # 1: always the likeliest next token
    min_tokens: int = Field(5, ge=0, le=512)
    max_tokens: int = Field(30, ge=1, le=512)  # cut to what the model's context holds
    batch_size: int = Runtime(32, ge=1, le=4096)
    device: Literal["auto", "cpu", "cuda", "mps"] = Runtime("auto")
    shard_size: int = Runtime(512, ge=1, le=1_000_000)  # captions a shard: the unit of resuming

    @property
    def spec(self) -> str:
        """The checkpoint as encoders are named."""
        return f"open_clip:{self.checkpoint.removeprefix('open_clip:')}"


class EndpointConfig(Section):
    """How a server that speaks OpenAI's chat completions, such as vLLM, is asked.

    Its address and key are never settings: they come from the environment, or from a Prefect
    secret block.
    """

    temperature: float = Field(0.0, ge=0.0, le=2.0)
    max_tokens: int = Field(64, ge=1, le=4096)
    body: dict[str, Any] = Field({})  # further fields of the request; null takes one of ours away
    image_side: int = Field(512, ge=16, le=4096)  # pixels of the longer side that is sent
    base_url_variable: str = Runtime("OPENAI_BASE_URL")  # such as http://localhost:8000/v1
    key_variable: str = Runtime("OPENAI_API_KEY")  # may be unset: some servers want none
    secret_block: str | None = Runtime(None)  # {"base_url": …, "api_key": …}, instead of both
    concurrency: int = Runtime(8, ge=1, le=256)  # requests at once
    timeout: float = Runtime(60.0, gt=0.0, le=3600.0)  # seconds for one answer
    retries: int = Runtime(4, ge=0, le=20)  # of what may pass: 429, 5xx, a time-out, nonsense
    backoff: float = Runtime(1.0, ge=0.0, le=60.0)  # seconds, doubled each time
    max_wait: float = Runtime(60.0, ge=0.0, le=3600.0)  # the longest pause, also by Retry-After
    give_up_after: int = Runtime(20, ge=1)  # questions in a row without an answer: a server is down


class OpenAiConfig(EndpointConfig):
    """A server's model describes images."""

    model: str = ""  # as the server calls it
    # SAC's BLIP-2 is asked nothing; a chat model needs a question [infer].
    prompt: str = "Describe the main content of this image in one short sentence."
    shard_size: int = Runtime(128, ge=1, le=1_000_000)


class WriterConfig(EndpointConfig):
    """A server's model writes names of clusters (docs/methods.md#names-by-an-endpoint)."""

    prompt: str = (
        "What kind of thing do these images have in common? Answer with its name alone: one short "
        "English noun phrase of one to four words, as in running text, without quotes or "
        "explanations."
    )
    images: int = Field(4, ge=0, le=12)  # typical images sent for a cluster, beside its terms
    # A run goes on without names, so it waits less for them than for captions.
    retries: int = Runtime(2, ge=0, le=20)
    give_up_after: int = Runtime(5, ge=1)
    longest: int = Field(48, ge=8, le=200)  # characters of a name; a longer answer is refused


class GivenConfig(Section):
    """Captions from a file that names images: Flickr's `name#0<TAB>caption`, or CSV."""

    source: str = ""
    use: Literal["first", "all"] = "first"  # of an image's captions; all are joined to one


CaptionerSettings = NearestConfig | CocaConfig | OpenAiConfig | GivenConfig


class CaptionerConfig(Section):
    """One caption for every image (docs/methods.md#sac-captions)."""

    kind: Literal["nearest", "coca", "openai", "given"] = "nearest"
    nearest: NearestConfig = NearestConfig()
    coca: CocaConfig = CocaConfig()
    openai: OpenAiConfig = OpenAiConfig()
    given: GivenConfig = GivenConfig()

    @property
    def chosen(self) -> CaptionerSettings:
        """The section of `kind`, the only one that matters."""
        found: CaptionerSettings = getattr(self, self.kind)
        return found


class NamingConfig(Section):
    """How clusters get their names, and how sure a name must be (docs/methods.md#names)."""

    terms: int = Field(8, ge=1, le=100)  # nouns kept for each cluster
    captions: int = Field(3, ge=0, le=100)
    # Below it a cluster is unnamed [infer]; with the packaged encoder it is 0.65.
    min_confidence: float = Field(0.5, ge=0.0, le=1.0)
    min_caption: float = Field(0.25, ge=0.0, le=1.0)  # below it a caption is not shown [infer]
    contrast: float = Field(0.3, ge=0.0, le=1.0)  # of the images' mean that does not count [infer]
    sharpness: float = Field(2.0, gt=0.0, le=20.0)  # of a softmax over standardised fits [infer]
    # Images one by one must bear a name out at each of these contrasts [infer].
    contrasts: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...] = Field((0.0, 0.5), min_length=1)
    image_sharpness: float = Field(3.0, gt=0.0, le=20.0)  # of their softmax [infer]
    neighbours: int = Field(2, ge=0, le=100)  # alike clusters whose evidence counts [infer]
    neighbour_weight: float = Field(0.5, ge=0.0, le=1.0)  # all of them together, at most [infer]
    sample: int = Field(4096, ge=1)  # images that are compared with all texts one by one
    representatives: int = Field(12, ge=1, le=1000)  # nearest-to-centre images kept
    writer: str = "none"  # none, or openai:MODEL: a server's model that writes names
    min_written: float = Field(0.39, ge=0.0, le=1.0)  # below it a written name is refused [infer]
    openai: WriterConfig = WriterConfig()  # how it is asked

    @field_validator("writer")
    @classmethod
    def _known(cls, writer: str) -> str:
        kind, _, model = writer.partition(":")
        if writer != "none" and (kind != "openai" or not model.strip() or not model.isprintable()):
            raise UsageError(
                f"naming.writer must be none or openai:MODEL, got {writer[:80]!r}; MODEL is what "
                "the server calls it, such as openai:Qwen/Qwen2.5-VL-7B-Instruct"
            )
        return writer

    @property
    def model(self) -> str | None:
        """The model that writes names, if one does."""
        return self.writer.partition(":")[2] or None

    def unread(self) -> set[str]:
        """Without a writer nothing of it counts."""
        return set() if self.model else {"writer", "openai", "min_written"}

    @property
    def unwritten(self) -> "NamingConfig":
        """The same settings without a writer, by which names are found."""
        return self.model_copy(update={"writer": "none"})


class ClassesConfig(Section):
    """The names of the kinds, where they are given: each image goes to the nearest name."""

    # none: kinds are found. labels: the names that the images' labels have. Else a text file with
    # a name a line.
    names: str = "none"
    templates: tuple[str, ...] | Literal["auto", "tac", "sic"] = "auto"  # as nouns.templates

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return self.names != "none"

    @property
    def file(self) -> Path | None:
        """The file of names, where they come from one."""
        return expanded(self.names) if self.names not in ("none", LABELS) else None


def supervision_of(classes: ClassesConfig, head: HeadConfig) -> str | None:
    """What a run knows besides its images and general texts, in words; None: nothing.

    Such a run is a ceiling: views that compare methods leave it out.
    """
    if classes.given:
        return f"class names from {'labels' if classes.file is None else 'a file'}"
    by_labels = head.selection == "paper" and head.method != "none"
    return "epochs picked by labels" if by_labels else None

"""The steps that load a corpus: nouns from WordNet, captions from a file, or texts with vectors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs import CAPTIONS
from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError, expanded
from sortal.configs.schema import CaptionsConfig, NounsConfig
from sortal.storage.artifacts import Written
from sortal.storage.hashing import hash_file, hash_strings
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora import lists, wordnet
from sortal.tasks.corpora.bank import BANK
from sortal.tasks.corpora.caption_files import read_captions, require_file
from sortal.tasks.corpora.captions import STARTER, caption_corpus, caption_table
from sortal.tasks.corpora.corpus import CORPUS
from sortal.tasks.corpora.nouns import check
from sortal.tasks.encoders import vectors
from sortal.tasks.encoders.vector_files import files_of
from sortal.tasks.step import step


def _nouns_source(config: NounsConfig, encoder: str) -> str:
    """Which source is meant; `auto` follows the encoder, then what is found here."""
    given = EncoderSpec.parse(encoder).where is not None
    if config.source == "vectors" and not given:
        raise UsageError(
            f"nouns.source 'vectors' needs the encoder vectors:DIR, got {encoder}; use 'auto'"
        )
    if config.source != "auto":
        return config.source
    return "vectors" if given else "nltk" if wordnet.find_nltk() else "embedded"


def _folder(encoder: str) -> Path:
    """DIR of an encoder `vectors:DIR`."""
    folder = EncoderSpec.parse(encoder).where
    assert folder is not None
    return folder


def _ready(encoder: str) -> Path | None:
    return EncoderSpec.parse(encoder).where


def _given_nouns(inputs: "LoadNounsInputs") -> list[str]:
    """The nouns beside ready-made vectors; a vocabulary or a list of ours needs none."""
    folder = _folder(inputs.encoder)
    can_lack = bool(lists.files_of(inputs.config)) and not files_of(folder, "nouns")
    return [] if can_lack else vectors.texts(folder, "nouns")


def _nouns_state(_workspace: Workspace, inputs: "LoadNounsInputs") -> str | list[str]:
    check(inputs.config)
    source, files = _nouns_source(inputs.config, inputs.encoder), lists.files_of(inputs.config)
    if source == "vectors":
        own = hash_strings(_given_nouns(inputs))
    else:
        own = wordnet.content_of(wordnet.require_nltk() if source == "nltk" else None)
    return [own, *lists.content_of(files, _ready(inputs.encoder))] if files else own


@dataclass(frozen=True, kw_only=True)
class LoadNounsInputs:
    """Inputs of `load_nouns`."""

    config: NounsConfig
    encoder: str


@step("nouns", LoadNounsInputs, version=1, state=_nouns_state)
def load_nouns(folder: Path, _workspace: Workspace, inputs: LoadNounsInputs) -> Written:
    """Write `corpus.parquet`: key, text, synset, lexname, depth, frequency (`noun_corpus`).

    Terms of a vocabulary, or of a list of ours, have `embedded` too: what their vectors are of;
    `vocabulary.parquet` then says which are synonyms and parents (`bank.py`).

    Sources: `nltk` is NLTK's WordNet corpus, which must be there or be downloadable with
    nltk.download; `embedded` is the packaged table; `vectors` are the nouns of the encoder
    vectors:DIR, taken as they are without filters. `auto` is `vectors` for such an encoder,
    else NLTK's corpus where it is found, else the packaged table: both are WordNet 3.0 and give
    the same nouns and so the same identity, and nothing is downloaded unasked.
    """
    source = _nouns_source(inputs.config, inputs.encoder)
    if source == "nltk":
        table = wordnet.read_nltk(wordnet.require_nltk())
    else:
        table = wordnet.read_embedded()
    given = _given_nouns(inputs) if source == "vectors" else None
    nouns = lists.nouns_of(inputs.config, table, given, _ready(inputs.encoder))
    corpus, bank = nouns.corpus, nouns.bank
    pq.write_table(corpus, folder / CORPUS, compression="zstd")
    places = corpus.select(["key", "synset"]).to_pylist()
    identity = hash_strings(f"{row['key']} {row['synset']}" for row in places)
    if bank:
        pq.write_table(bank.table, folder / BANK, compression="zstd")
        identity = hash_strings([identity, bank.identity])
    facts = {
        "source": source,
        "n_texts": len(corpus),
        "n_without_synset": corpus.column("synset").null_count,
        **nouns.facts,
    }
    return Written(rows=len(corpus), identity=identity, facts=facts)


def _captions_source(config: CaptionsConfig, encoder: str) -> str:
    """The source that is meant: such vectors know no caption but their own."""
    given = EncoderSpec.parse(encoder).where is not None
    if config.source == "vectors" and not given:
        raise UsageError(
            f"captions.source 'vectors' needs the encoder vectors:DIR, got {encoder}; use 'starter'"
        )
    return "vectors" if given and config.source == CAPTIONS else config.source


def check_captions(config: CaptionsConfig, encoder: str) -> None:
    """Refuse a captions file that is not there, before anything is embedded; raises UsageError."""
    source = _captions_source(config, encoder)
    if source not in ("none", "vectors"):
        require_file(_captions_file(source))


def _captions_file(source: str) -> Path:
    return STARTER if source == CAPTIONS else expanded(source)


def _given_captions(encoder: str) -> list[str]:
    return vectors.texts(_folder(encoder), "captions")


def _captions_state(_workspace: Workspace, inputs: "LoadCaptionsInputs") -> str:
    source = _captions_source(inputs.config, inputs.encoder)
    if source == "vectors":
        return hash_strings(_given_captions(inputs.encoder))
    path = _captions_file(source)
    return hash_file(path) if path.is_file() else "missing"  # the step says so, in one line


def _read_captions(
    source: str, config: CaptionsConfig, encoder: str
) -> tuple[pa.Table, dict[str, Any]]:
    if source == "vectors":
        texts = _given_captions(encoder)
        return caption_table(texts, [1] * len(texts)), {}
    file_format = "text" if source == CAPTIONS else config.format
    corpus, facts = caption_corpus(read_captions(_captions_file(source), file_format), config)
    if not len(corpus):
        raise UsageError(
            f"captions.source must hold captions of {config.min_words} to {config.max_words} "
            f"words, got none in {source} ({facts['n_read']} read, {facts['n_malformed']} "
            f"malformed, {facts['n_short']} short, {facts['n_long']} long); check captions.format"
        )
    return corpus, facts


@dataclass(frozen=True, kw_only=True)
class LoadCaptionsInputs:
    """Inputs of `load_captions`."""

    config: CaptionsConfig
    encoder: str


@step("captions", LoadCaptionsInputs, version=1, state=_captions_state)
def load_captions(folder: Path, _workspace: Workspace, inputs: LoadCaptionsInputs) -> Written:
    """Write `corpus.parquet`: key, text, count (int64, times it occurred).

    Sources: `starter`, the packaged captions; a file (`caption_files.read_captions`);
    `vectors`, the captions of the encoder vectors:DIR as they are, which `starter` also means
    with such an encoder.
    """
    source = _captions_source(inputs.config, inputs.encoder)
    corpus, facts = _read_captions(source, inputs.config, inputs.encoder)
    pq.write_table(corpus, folder / CORPUS, compression="zstd")
    identity = hash_strings(corpus.column("key").to_pylist())
    facts = {"source": source, "n_texts": len(corpus), **facts}
    return Written(rows=len(corpus), identity=identity, facts=facts)

"""What can be refused before anything heavy is imported or a server started."""

import logging

from sortal.configs.checks.unused import unused
from sortal.configs.errors import RunError, UsageError, counted
from sortal.configs.schema import RunConfig
from sortal.flows.run.collection import of_its_collection
from sortal.flows.run.modalities import check_modalities
from sortal.storage.artifacts import Artifact
from sortal.tasks.corpora.lists import check_vocabulary, vocabulary_content
from sortal.tasks.encoders.base import EncoderInfo
from sortal.tasks.encoders.registry import describe
from sortal.tasks.executor.opening import check_executor
from sortal.tasks.scan.seen import plural
from sortal.tasks.sources.registry import open_source
from sortal.tasks.writing.question import access_of

log = logging.getLogger("sortal")

_ALIKE = 1e-5  # mean squared distance of unit vectors to their mean; float16 alone makes 1e-7


def check(config: RunConfig) -> EncoderInfo:
    """Describe the run's encoder; raises UsageError for what cannot work.

    Warns of what was given and has no effect.
    """
    check_executor(config.executor)
    opened = open_source(config.source, config.workspace, config.images)
    if opened.vectors and not config.encoder.vectors:
        raise UsageError(
            f"{config.source} holds ready-made vectors, and the encoder {config.encoder.spec} "
            f"reads images; give the source as vectors:{config.source}"
        )
    check_modalities(config)
    check_vocabulary(config.nouns)
    check_writer(config)
    of_its_collection(config)
    for line in unused(config).values():
        log.warning("%s", line)
    return describe(config.encoder.spec)


def check_writer(config: RunConfig) -> None:
    """Refuse an endpoint for names whose names could not be checked, or that is nowhere."""
    if config.naming.model is None:
        return
    if config.encoder.vectors:
        raise UsageError(
            f"naming.writer needs an encoder that embeds any text, to check what is written, got "
            f"{config.encoder.spec}; use conse or open_clip:MODEL/PRETRAINED on the images, or "
            "naming.writer=none"
        )
    if config.classes.given or config.nouns.source == "none":
        raise UsageError(
            "naming.writer needs kinds that are found and nouns to compare its names with, got "
            f"{'classes.names' if config.classes.given else 'nouns.source=none'}; use "
            "naming.writer=none"
        )
    access_of(config.naming)


def with_vocabulary(config: RunConfig) -> RunConfig:
    """The settings with what a vocabulary file holds in place of where it lies.

    Raises UsageError where it cannot be read.
    """
    content = vocabulary_content(config.nouns)
    if content is None:
        return config
    nouns = config.nouns.model_copy(update={"vocabulary_content": content})
    return config.model_copy(update={"nouns": nouns})


def check_size(config: RunConfig, found: Artifact, source: str) -> None:
    """Refuse a source without a readable image, and more clusters than distinct images."""
    n_unique = int(found.facts["n_unique"])
    if not found.facts["n_ok"]:
        raise RunError(
            f"none of the {counted(found.rows, 'input')} of {source} is a readable image"
            f"{': ' if found.facts.get('why') else ''}{found.facts.get('why', '')}; give a source "
            "that holds some"
        )
    if n_unique < 2:
        raise UsageError(
            f"a source must hold at least 2 distinct readable images to be clustered, got 1 among "
            f"{found.rows:,} {plural('input', found.rows)} of {source}; give one that holds more"
        )
    if config.n_clusters > n_unique:
        raise UsageError(
            f"n_clusters must be in [2, {n_unique:,}], got {config.n_clusters:,}; "
            f"the collection has {counted(n_unique, 'distinct readable image')}"
        )
    config.head.check(n_unique, config.n_clusters)


def warn_if_alike(vectors: Artifact, what: str) -> None:
    """Warn where vectors hardly differ: with their mean gone, what is left is noise."""
    spread = vectors.facts.get("spread")
    if spread is not None and spread < _ALIKE:
        log.warning(
            "%s are nearly the same to the encoder (their spread is %.1g): what tells them apart "
            "is mostly noise",
            what,
            spread,
        )

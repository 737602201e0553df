"""What can be refused before anything heavy is imported or a server started."""

from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import RunConfig
from sortal.flows.run.modalities import check_modalities
from sortal.storage.artifacts import Artifact
from sortal.tasks.encoders.base import EncoderInfo
from sortal.tasks.encoders.registry import describe
from sortal.tasks.sources.registry import open_source


def check(config: RunConfig) -> EncoderInfo:
    """Describe the run's encoder; raises UsageError for what cannot work."""
    open_source(config.source)
    check_modalities(config)
    return describe(config.encoder.spec)


def check_size(config: RunConfig, found: Artifact, source: str) -> None:
    """Refuse a source without a readable image, and more clusters than distinct images."""
    n_unique = int(found.facts["n_unique"])
    if not found.facts["n_ok"]:
        raise RunError(
            f"none of the {found.rows:,} inputs of {source} is a readable image; "
            "`--dry-run` counts them, and the images table of a run would say why"
        )
    if config.n_clusters > n_unique:
        raise UsageError(
            f"n_clusters must be in [2, {n_unique:,}], got {config.n_clusters:,}; "
            f"the collection has {n_unique:,} distinct readable images"
        )
    config.head.check(n_unique, config.n_clusters)

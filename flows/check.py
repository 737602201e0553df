"""What can be refused before anything heavy is imported or a server started."""

from configs.schema import RunConfig
from tasks.encoders import EncoderInfo, describe
from tasks.sources import open_source


def check(config: RunConfig) -> EncoderInfo:
    """Describe the run's encoder; raises UsageError for a source or encoder that cannot work."""
    open_source(config.source)
    return describe(config.encoder.spec)

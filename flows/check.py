"""What can be refused before anything heavy is imported or a server started."""

from configs.schema import RunConfig
from flows.views import check_views
from tasks.encoders import EncoderInfo, describe
from tasks.sources import open_source


def check(config: RunConfig) -> EncoderInfo:
    """Describe the run's encoder; raises UsageError for what cannot work."""
    open_source(config.source)
    check_views(config)
    return describe(config.encoder.spec)

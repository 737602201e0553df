"""Settings of `sortal assign`: when an image is unlike anything its run has seen."""

from pydantic import Field

from sortal.configs import QUANTILE
from sortal.configs.schema import Section


class AssignConfig(Section):
    """The flag `unlike`: farther from the centre than nearly all of the run's own images."""

    quantile: float = Field(QUANTILE, gt=0.0, lt=1.0)
    min_images: int = Field(100, ge=1)  # fewer in a cluster: the quantile of the whole run [infer]

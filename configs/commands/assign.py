"""Settings of `sortal assign`: when an image is unlike anything its run has seen."""

from typing import Any

from pydantic import Field

from sortal.configs import QUANTILE
from sortal.configs.schema import Section


class AssignConfig(Section):
    """The flag `unlike`: farther from the centre than nearly all of the run's own images."""

    exclude: tuple[str, ...] = ()  # globs of files that are left out
    include: tuple[str, ...] = ()  # globs of files that no rule leaves out
    column: str | None = None  # of the images in Parquet and Arrow; None: found by type
    quantile: float = Field(QUANTILE, gt=0.0, lt=1.0)
    min_images: int = Field(100, ge=1)  # fewer in a cluster: the quantile of the whole run [infer]

    @property
    def reading(self) -> dict[str, Any]:
        """What counts of a source, in place of the run's own settings of `images`."""
        return {name: getattr(self, name) for name in ("column", "exclude", "include")}

"""Settings of lineage: when a run continues from the last one, and what counts as the same cluster.

All shares are of images present in both runs, so that growth alone never breaks an identity.
"""

from pydantic import Field

from sortal.configs.section import Runtime, Section


class LineageConfig(Section):
    """How a run is tied to the run before it; every threshold is [infer]."""

    enabled: bool = True  # False: every run stands alone, without stable ids
    full: bool = Runtime(False)  # start cold: select, solve and cluster as if for the first time
    min_overlap: float = Field(0.1, gt=0.0, le=1.0)  # Jaccard below which it is another cluster
    min_cosine: float = Field(0.5, ge=-1.0, le=1.0)  # of centres, where no image is shared
    keep_name: float = Field(0.5, ge=0.0, le=1.0)  # Jaccard from which a cluster keeps its name
    steady: float = Field(0.02, ge=0.0)  # relative change of size that still counts as the same
    split_share: float = Field(0.25, gt=0.0, le=0.5)  # of a cluster in a part, for it to be split
    merge_share: float = Field(0.5, gt=0.0, le=1.0)  # of a cluster in another, to be merged
    new_share: float = Field(0.2, gt=0.0, le=1.0)  # of images since texts were chosen: choose again
    mean_shift: float = Field(0.1, gt=0.0)  # of the image mean, in spreads, likewise
    inertia_rise: float = Field(0.01, ge=0.0)  # an image's, since k-means last tried cold starts
    cold_gain: float = Field(0.01, ge=0.0, lt=1.0)  # of inertia, for a cold start to be taken

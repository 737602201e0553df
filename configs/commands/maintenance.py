"""Settings of maintenance: what may be removed, and when. No default can touch a run's result."""

from pathlib import Path

from pydantic import Field

from sortal.configs import WORKSPACE
from sortal.configs.section import Section


class MaintenanceConfig(Section):
    """What `sortal maintain` and the deployment `maintenance` remove and compact.

    History is never removed here: past runs are deleted by `sortal runs --prune` only.
    """

    workspace: Path = WORKSPACE
    dry_run: bool = False  # only say what would be removed
    grace_days: float = Field(7.0, ge=0.0)  # files used since are kept; > longest run
    keep_snapshots_days: float = Field(7.0, ge=0.0)  # the lake's time travel reaches so far back
    shard_rows: int = Field(65536, ge=2, le=10_000_000)  # neighbours under half of it are merged

"""Settings of maintenance: what may be removed, and when. No default can touch a run's result."""

from pathlib import Path

from pydantic import Field

from sortal.configs import GRACE_DAYS, SHARD_ROWS, SNAPSHOT_DAYS, WORKSPACE
from sortal.configs.section import Section


class MaintenanceConfig(Section):
    """What `sortal maintain` and the deployment `maintenance` remove and compact.

    History is never removed here: past runs are deleted by `sortal runs --prune` only.
    """

    workspace: Path = WORKSPACE
    dry_run: bool = False  # only say what would be removed
    grace_days: float = Field(GRACE_DAYS, ge=0.0)
    keep_snapshots_days: float = Field(SNAPSHOT_DAYS, ge=0.0)
    shard_rows: int = Field(SHARD_ROWS, ge=2, le=10_000_000)

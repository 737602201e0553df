"""The deployed flows: a small form of parameters, and one line for what a person or a disk did.

Python and the command line call the flows of `recluster.py` and `maintain.py`, which raise.
"""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from sortal.configs import GRACE_DAYS, SHARD_ROWS, SNAPSHOT_DAYS, WORKSPACE
from sortal.configs.commands.deployed import SEED, run_config
from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.configs.load import checked
from sortal.flows import maintain as maintaining
from sortal.flows import recluster as reclustering
from sortal.flows.operations.maintenance import Item
from sortal.flows.pages.failure import under_prefect
from sortal.flows.pages.log import log_under_worker
from sortal.flows.run.check import check
from sortal.flows.run.result import RunResult

# The one nested parameter of deployments made before 2026-11-28: taken, but not in the form.
Former = SkipJsonSchema[dict[str, Any] | None]

log_under_worker()


@flow(name="recluster")
@under_prefect
def recluster(
    source: str,
    n_clusters: Annotated[int, Field(ge=2)] | None = None,
    method: str | None = None,
    encoder: str | None = None,
    captions: str | None = None,
    vocabulary: str | None = None,
    by: str | None = None,
    workspace: str = str(WORKSPACE),
    collection: str | None = None,
    seed: Annotated[int, Field(ge=0)] = SEED,
    settings: dict[str, Any] = {},  # noqa: B006 - the form's default; nobody writes to it
    config: Former = None,
) -> RunResult | State:
    """Sort the images of a source into named clusters.

    Args:
        source: A folder of images, a tar file, Parquet, or vectors:DIR, as the worker sees it.
        n_clusters: Number of clusters, at least 2. None: chosen without labels.
        method: A preset, as `sortal methods` lists them, or a YAML file. None: auto, or cae where
            the collection was sorted by that alone.
        encoder: conse, open_clip:MODEL/PRETRAINED or vectors:DIR. None: the method's, or conse.
        captions: starter, a captions file, or none. None: the method's, or starter.
        vocabulary: A file of terms to fuse and name by, as the worker sees it. None: no file.
        by: thing, scene, action, colour, material, style, or a vocabulary file. None: by all.
        workspace: Folder of vectors, runs and reports.
        collection: Name of the collection. None: the source's.
        seed: Random seed.
        settings: Any other setting by its dotted key, such as {"transport.epsilon": 0.05}.
        config: Not in the form: the parameters as they were nested before 2026-11-28.
    """
    given = {
        "source": source, "n_clusters": n_clusters, "method": method, "encoder": encoder,
        "captions": captions, "vocabulary": vocabulary, "by": by, "workspace": workspace,
        "collection": collection, "seed": seed,
    }  # fmt: skip
    meant = run_config(given, settings, config)
    check(meant)
    return reclustering.recluster.fn(meant)


@flow(name="maintain")
@under_prefect
def maintain(
    workspace: str = str(WORKSPACE),
    keep_snapshots_days: Annotated[float, Field(ge=0)] = SNAPSHOT_DAYS,
    grace_days: Annotated[float, Field(ge=0)] = GRACE_DAYS,
    shard_rows: Annotated[int, Field(ge=2)] = SHARD_ROWS,
    dry_run: bool = False,
    config: Former = None,
) -> list[Item] | State:
    """Merge small files and remove unused ones; safe while a run is in progress.

    Args:
        workspace: Folder of vectors, runs and reports.
        keep_snapshots_days: Days of time travel kept in the lake.
        grace_days: Keep files used within so many days; longer than the longest run.
        shard_rows: Merge vector shards smaller than half of so many rows.
        dry_run: Only say what would be removed.
        config: Not in the form: the parameters as they were nested before 2026-11-28.
    """
    given = {
        "workspace": workspace, "keep_snapshots_days": keep_snapshots_days,
        "grace_days": grace_days, "shard_rows": shard_rows, "dry_run": dry_run,
    }  # fmt: skip
    return maintaining.maintain.fn(checked(MaintenanceConfig, given | (config or {})))

"""What maintenance does, part by part; `sortal maintain` and the flow `maintain` call it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.storage.atomic import remove
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import active
from sortal.storage.maintenance import compaction, lake_files, objects, orphans
from sortal.storage.maintenance.abandoned import abandoned_files
from sortal.storage.maintenance.backup import back_up
from sortal.storage.mirror import Mirror
from sortal.storage.workspace import Workspace
from sortal.tasks.silence import doing

_DAY = 86_400.0


class Item(BaseModel):
    """One kind of thing that maintenance did: how many (or how many it would), and their bytes."""

    what: str
    count: int
    bytes: int = 0


def maintain(config: MaintenanceConfig) -> list[Item]:
    """Compact and clean the workspace; with `dry_run` only say what would be done.

    Safe while runs go on: no file used within `grace_days` is deleted, what is replaced keeps its
    content, and while a run holds a lease only the lake and what killed processes left are
    cleaned. Raises UsageError for a workspace without a lake.
    """
    workspace = workspace_with_lake(config.workspace)
    running = active(workspace)
    items = [Item(what="runs going on, shards and artifacts left alone", count=len(running))]
    with Lake(workspace) as lake:
        if not running:
            doing("merging shards of vectors")
            items += _compact_shards(workspace, config)
            doing("removing what is not used")
            items += _remove_unused(workspace, lake, config)
            items += _remove_objects(workspace, lake, config)
        abandoned = abandoned_files(workspace)
        what = "temporary files of killed processes removed"
        items.append(_remove(what, abandoned, config.dry_run))
        doing("compacting the lake")
        items += _compact_lake(workspace, lake, config)
    return items


def workspace_with_lake(root: Path) -> Workspace:
    """The workspace at `root`, absolute; raises UsageError where no run has ever begun."""
    place = Workspace(root)
    catalogue = Catalogue.configured(place)
    if not place.is_there() or not (catalogue.exists() or catalogue.leases.exists()):
        raise place.no_runs()
    return place.create()


def _compact_shards(workspace: Workspace, config: MaintenanceConfig) -> list[Item]:
    merged = updated = 0
    stores = compaction.stores(workspace)
    for store in stores:
        for group in compaction.small_groups(store, config.shard_rows):
            merged += len(group)
            if not config.dry_run:
                store.merge(group)
        if not config.dry_run:
            updated += compaction.update_references(workspace, store)
    grace, mirror = config.grace_days * _DAY, Mirror.of(workspace)
    published = objects.shards_in_use(mirror) if mirror else set()
    old = [
        path
        for store in stores
        for path in compaction.removable(workspace, store, grace, published)
    ]
    remove_shard = partial(compaction.remove_shard, mirror=mirror)
    return [
        Item(what="small vector shards merged", count=merged),
        Item(what="sets of vectors that now refer to merged shards", count=updated),
        _remove("replaced vector shards removed", old, config.dry_run, remove_shard),
    ]


def _remove_unused(workspace: Workspace, lake: Lake, config: MaintenanceConfig) -> list[Item]:
    grace = config.grace_days * _DAY
    unused = orphans.unused_artifacts(workspace, lake, grace)
    artifacts = _remove("artifacts of no run removed", unused, config.dry_run)
    stale = orphans.stale_references(workspace, grace)
    return [artifacts, _remove("Prefect references removed", stale, config.dry_run)]


def _remove_objects(workspace: Workspace, lake: Lake, config: MaintenanceConfig) -> list[Item]:
    mirror = Mirror.of(workspace)
    if mirror is None:
        return []
    others = objects.other_lakes(mirror, lake)
    found = objects.unneeded(mirror, lake, config.grace_days * _DAY)
    if not config.dry_run:
        mirror.bucket.delete(each.name for each in found)
    size = sum(each.size for each in found)
    return [
        Item(what="other lakes of the bucket, no artifact removed there", count=len(others)),
        Item(what="unneeded objects removed from the bucket", count=len(found), bytes=size),
    ]


def _compact_lake(workspace: Workspace, lake: Lake, config: MaintenanceConfig) -> list[Item]:
    dry = config.dry_run
    expired = lake_files.expire_snapshots(lake, config.keep_snapshots_days, dry)
    merged = 0 if dry else lake_files.merge_files(lake)
    items = [
        Item(what="lake snapshots expired", count=expired),
        Item(what="small lake files merged", count=merged),
    ]
    parts = {
        "unused lake files removed": lake_files.unused_files,
        "unknown lake files removed": lake_files.orphaned_files,
    }
    for what, part in parts.items():
        paths = part(lake, config.grace_days, True)
        n_bytes = sum(lake.size_of(path) or 0 for path in paths)
        if paths and not dry:
            part(lake, config.grace_days, False)
        items.append(Item(what=what, count=len(paths), bytes=n_bytes))
    return items


def _remove(
    what: str, paths: list[Path], dry_run: bool, discard: Callable[[Path], None] = remove
) -> Item:
    n_bytes = sum(orphans.size_of(path) for path in paths if path.exists())
    for path in [] if dry_run else paths:
        discard(path)
    return Item(what=what, count=len(paths), bytes=n_bytes)


def backup(workspace: Path, target: Path) -> tuple[int, int]:
    """Copy what is new in the workspace to `target`; returns (files, bytes) copied."""
    doing("copying")
    return back_up(workspace_with_lake(workspace), target)

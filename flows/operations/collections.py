"""What `sortal collections` does: what there is, and where a moved source is now."""

from pathlib import Path

import duckdb

from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError
from sortal.flows.operations.maintenance import workspace_with_lake
from sortal.storage.collections.known import known_collections, move
from sortal.storage.collections.place import place_of, source_at
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.lake.sql import sql
from sortal.tasks.publishing.step import redact
from sortal.tasks.sources.registry import open_source


def listing(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A row a collection: its source, how many runs it has, and the newest one."""
    return lake.execute(sql("collections/list"))


def rebind(root: Path, name: str, source: str) -> str:
    """Note that the source of the collection `name` is now at `source`: its history goes on there.

    Returns a sentence that says what was done. Raises UsageError for a collection or source that
    is not there or a source that is another collection's, RunError while it is being sorted.
    """
    where = EncoderSpec.parse(source).where
    given = str(where) if where else source
    workspace = workspace_with_lake(root)
    with Lake(workspace, read_only=True) as lake:
        _check(lake, name)
    open_source(given, workspace.root)
    place = place_of(given, workspace)
    with hold(workspace, name, name="a rebinding"), Lake(workspace) as lake:

        def work() -> None:
            for known in known_collections(lake):
                if known.collection != name and known.is_at(place, workspace):
                    raise UsageError(
                        f"a source is one collection: {given} is {known.collection} already; "
                        f"leave {name} where it is, or give another folder"
                    )
            lake.mark()
            move(lake, name, redact(given), place)

        lake.transact(work)
    return f"collection {name} is {source_at(place, workspace)} now; its runs, ids and names stay"


def _check(lake: Lake, name: str) -> None:
    names = [known.collection for known in known_collections(lake)]
    if name not in names:
        raise UsageError(
            f"--rebind takes the name of a collection, got {name!r}; there is "
            f"{', '.join(sorted(names)[:10]) or 'none'}"
        )

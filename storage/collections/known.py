"""The collections that a lake knows: found by their place, and named for people."""

from collections.abc import Mapping
from shlex import quote
from typing import Any, NamedTuple

from sortal.configs.errors import UsageError
from sortal.storage.collections.place import is_same, place_of, source_at, was_at
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace


class Known(NamedTuple):
    """A collection of the lake.

    `place` is None where no run has grown it since places are recorded; `source` is what its
    newest run was given; `methods` are those of its runs, but for cells of benchmarks.
    """

    collection: str
    place: str | None
    source: str | None
    methods: list[str]

    def is_at(self, place: str, workspace: Workspace) -> bool:
        """Whether its source is at `place`."""
        if self.place is not None:
            return is_same(self.place, place, workspace)
        return self.source is not None and was_at(self.source, place, workspace)

    def shown(self, workspace: Workspace) -> str:
        """Where it is, for people."""
        return source_at(self.place, workspace) if self.place else str(self.source)


def known_collections(lake: Lake) -> list[Known]:
    """Every collection of the lake, that with the newest run first."""
    return [Known(*row) for row in lake.execute(sql("collections/known")).fetchall()]


def source_now(lake: Lake, workspace: Workspace, row: Mapping[str, Any]) -> str:
    """Where a run's images are now: where its collection is, whatever folder one is in.

    Ready-made vectors stay what their run was given.
    """
    given: str = row["source"]
    known = next((k for k in known_collections(lake) if k.collection == row["collection"]), None)
    if row["encoder"].startswith("vectors:") or known is None or known.place is None:
        return given
    return known.shown(workspace)


def collection_at(
    lake: Lake, workspace: Workspace, source: str, name: str, given: bool
) -> Known | None:
    """The collection at `source`: that called `name`, or unless the name is `given`, any other.

    None where there is none yet. Raises UsageError where the name is another collection's.
    """
    place = place_of(source, workspace)
    known = known_collections(lake)
    here = [each for each in known if each.is_at(place, workspace)]
    named = [each for each in here if each.collection == name]
    if named or (here and not given):
        return (named or here)[0]
    for each in known:
        if each.collection == name:
            raise UsageError(_refusal(each, place, workspace, given))
    return None


def _refusal(known: Known, place: str, workspace: Workspace, given: bool) -> str:
    here, name = quote(source_at(place, workspace)), quote(known.collection)
    way_out = "give another name" if given else "give it another name with --collection NAME"
    return (
        f"a collection has one source: {known.collection} is {known.shown(workspace)}, got {here}; "
        f"{way_out}, or, if that one has moved here: `sortal collections --rebind {name} {here}`"
    )


def bind(lake: Lake, workspace: Workspace, name: str, source: str, shown: str) -> None:
    """Note that the collection `name` is at `source`, for use inside `transact`.

    `shown` is the source without a password. Raises UsageError where the collection is elsewhere
    by now: another run was the first to take the name.
    """
    place = place_of(source, workspace)
    for known in known_collections(lake):
        if known.collection == name and not known.is_at(place, workspace):
            raise UsageError(_refusal(known, place, workspace, given=True))
    move(lake, name, shown, place)


def move(lake: Lake, name: str, shown: str, place: str) -> None:
    """Write where the collection `name` is, for use inside `transact`."""
    lake.execute(sql("collections/bind"), {"collection": name, "source": shown, "place": place})

"""A workspace as Python code and notebooks see it: SQL, and the runs that are in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortal.flows.api.arguments import parameters_of, path_of, text_of, workspace_of
from sortal.flows.api.errors import short_errors
from sortal.flows.api.run import Run, open_run
from sortal.flows.operations.query import ask, reading
from sortal.storage.lake.runs import newest_run
from sortal.storage.lake.sql import sql

if TYPE_CHECKING:
    import pyarrow as pa


@short_errors
def open(path: str | Path | None = None) -> "Workspace":
    """Open a workspace that `cluster` or `sortal cluster` has made.

    Default: the environment variable SORTAL_WORKSPACE, or sortal-workspace. Raises UsageError
    where no run has ever begun.
    """
    workspace = Workspace(workspace_of(path).resolve())
    with reading(workspace.path):
        return workspace


@dataclass(frozen=True)
class Workspace:
    """A folder of vectors, runs and reports."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", workspace_of(self.path))

    @short_errors
    def sql(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> "pa.Table":
        """The answer of one reading SQL statement (DuckDB's dialect), with bound parameters.

        Parameters are a sequence for `?`, a mapping for `$name`. The statement sees the lake and no
        other file. Raises UsageError for one that writes or is wrong.
        """
        return ask(self.path, text_of(query, "query"), parameters_of(parameters))

    @short_errors
    def runs(self) -> "pa.Table":
        """A row for each run, the newest first."""
        return ask(self.path, sql("operations/runs"))

    @short_errors
    def collections(self) -> "pa.Table":
        """A row for each collection: its source, how many runs it has, and the newest one."""
        return ask(self.path, sql("collections/list"))

    @short_errors
    def rebind(self, collection: str, source: str | Path) -> None:
        """Note that a collection's source has moved: its runs, ids and names go on there.

        Raises UsageError for a collection or source that is not there.
        """
        from sortal.flows.operations.collections import rebind

        path_of(source, "source")
        rebind(self.path, text_of(collection, "collection"), str(source))

    @short_errors
    def run(self, run_id: str) -> Run:
        """The run of this id; raises UsageError where there is none."""
        return open_run(self.path, text_of(run_id, "run_id"))

    @short_errors
    def latest(self, collection: str | None = None) -> Run:
        """The newest run of a collection, or of all; raises UsageError where there is none."""
        name = collection if collection is None else text_of(collection, "collection")
        with reading(self.path) as lake:
            row = newest_run(lake, collection=name)
        return open_run(self.path, row["run_id"])

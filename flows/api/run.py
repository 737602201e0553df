"""A run as Python code and notebooks see it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sortal.configs.errors import UsageError
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Run:
    """A run in a workspace: its clusters, its images, and what changed, as Arrow tables.

    A notebook shows it as the kinds with pictures. `metrics` are the figures of the evaluation by
    name, such as nmi where there are labels; `sortal sql .metrics` says what each is.
    """

    run_id: str
    collection: str
    workspace: Path
    metrics: dict[str, float]

    @property
    def report(self) -> Path:
        """The report, one HTML file; written again if it is gone."""
        from sortal.tasks.report.page import publish_report

        workspace = Workspace(self.workspace)
        page = workspace.reports / f"{self.run_id}.html"
        return page if page.exists() else publish_report(workspace, self.run_id)

    def clusters(self) -> "pa.Table":
        """A row for each cluster, the largest first.

        Columns: cluster_id, name ("unnamed 7" where no noun is sure enough), name_confidence,
        written_by (whom, where the name was not found), suggested_name (where the kept name no
        longer fits: what it would be called now), size, share, caption, mean_distance, nouns,
        captions, typical (path of the most typical image) and representatives (keys of typical
        images).
        """
        return self._table("clusters")

    def images(self) -> "pa.Table":
        """A row for each file of the collection, by path.

        Columns: path, key (hash of the content), label, split, status, error_code, cluster_id and
        name of the cluster, distance to its centre, and the fusion weights w_image, w_noun and
        w_caption.
        Where status is `failed`, error_code says why and there is no cluster.
        """
        return self._table("images")

    def changes(self) -> "pa.Table":
        """A row for each cluster of this run or the previous one; empty for a first run.

        Columns: cluster_id, name, event, related, size, previous_size, shared, came, went,
        previous_run_id. All ids are those that `sortal rename` takes; stable_id is the same.
        """
        return self._table("changes")

    def _table(self, name: str) -> "pa.Table":
        with Lake(Workspace(self.workspace), read_only=True) as lake:
            return lake.query(sql(f"api/{name}"), {"run": self.run_id})

    def __repr__(self) -> str:
        return f"<sortal.Run {self.run_id} of {self.collection} in {self.workspace}>"

    def _repr_html_(self) -> str:
        from sortal.tasks.report.fragment import fragment

        return fragment(Workspace(self.workspace), self.run_id)


def open_run(workspace: Path, run_id: str) -> Run:
    """The run of this id; raises UsageError where the lake has none."""
    with Lake(Workspace(workspace), read_only=True) as lake:
        rows = lake.query(sql("api/run"), {"run": run_id}).to_pylist()
    if not rows:
        raise UsageError(
            f"run_id must be the id of a run in {workspace}, got {run_id!r}; runs() lists them"
        )
    row = rows[0]
    metrics = dict(zip(row["names"] or [], row["figures"] or [], strict=True))
    return Run(row["run_id"], row["collection"], workspace, metrics)

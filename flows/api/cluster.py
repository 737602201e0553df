"""`sortal.cluster`: a run from Python, with progress shown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sortal.configs.load import make_config
from sortal.configs.schema import RunConfig
from sortal.flows.api.arguments import path_of, workspace_of
from sortal.flows.api.errors import short_errors
from sortal.flows.api.run import Run, open_run


@short_errors
def cluster(
    source: str | Path,
    n_clusters: int,
    *,
    method: str | None = None,
    encoder: str | Mapping[str, Any] | None = None,
    workspace: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Sort the images of `source` into `n_clusters` named clusters, and return the run.

    Args:
        source: a folder of images, a tar file, Parquet, or `vectors:DIR`.
        n_clusters: number of clusters, at least 2.
        method: a preset (`sortal methods`) or a YAML file. Default: cae.
        encoder: `conse`, `open_clip:MODEL/PRETRAINED` or `vectors:DIR`; or settings of an encoder,
            such as `{"spec": "conse", "num_workers": 8}`. Default: conse.
        workspace: folder of vectors, runs and reports. Default: the environment variable
            SORTAL_WORKSPACE, or sortal-workspace.
        **settings: any other setting of configs/schema.py, a section as a mapping, such as
            `random_state=1`, `collection="birds"` or `transport={"epsilon": 0.02}`.

    Running it again after images were added embeds only those, and clusters keep their ids.
    Raises UsageError for what cannot work, RunError when a run cannot go on.
    """
    given = {
        "method": method,
        "encoder": {"spec": encoder} if isinstance(encoder, str) else encoder,
    }
    path_of(source, "source")  # `vectors:DIR` is a source, too, and no path to be changed
    where = {"source": str(source), "n_clusters": n_clusters, "workspace": workspace_of(workspace)}
    chosen = {name: value for name, value in given.items() if value is not None}
    return _run(make_config({**where, **chosen, **settings}))


def _run(config: RunConfig) -> Run:
    from sortal.flows.terminal.logs import (
        leave_failures_to_the_caller,
        log_for_python,
        quiet_prefect,
    )

    quiet_prefect()
    log_for_python()
    from sortal.flows.recluster import recluster
    from sortal.flows.run.check import check

    leave_failures_to_the_caller()  # again: Prefect's import has set its levels
    check(config)
    result = recluster(config)
    return open_run(Path(result.workspace), result.run_id)

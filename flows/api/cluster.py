"""`sortal.cluster`: a run from Python, with progress shown."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sortal.configs.errors import RunError
from sortal.configs.load import make_config
from sortal.configs.presets import merge
from sortal.configs.schema import RunConfig
from sortal.flows.api.arguments import path_of, workspace_of
from sortal.flows.api.errors import short_errors
from sortal.flows.api.run import Run, open_run
from sortal.flows.process.imports import quick_imports
from sortal.flows.terminal.logs import log_for_python
from sortal.flows.terminal.start_run import start_run


@short_errors
def cluster(
    source: str | Path,
    n_clusters: int | str | None = None,
    *,
    method: str | None = None,
    encoder: str | Mapping[str, Any] | None = None,
    workspace: str | Path | None = None,
    column: str | None = None,
    label_column: str | None = None,
    vocabulary: str | Path | None = None,
    vocabulary_mode: str | None = None,
    by: str | Path | None = None,
    exclude: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    **settings: Any,
) -> Run:
    """Sort the images of `source` into named clusters, and return the run.

    Args:
        source: a folder of images, a tar file, Parquet, or `vectors:DIR`.
        n_clusters: number of clusters, at least 2, or a range such as "10..60" in which it is
            chosen without labels. Default: chosen, whatever it is.
        method: a preset (`sortal methods`) or a YAML file. Default: auto, or cae where the
            collection was sorted by that alone.
        encoder: `conse`, `open_clip:MODEL/PRETRAINED` or `vectors:DIR`; or settings of an encoder,
            such as `{"spec": "conse", "num_workers": 8}`. Default: conse.
        workspace: folder of vectors, runs and reports. Default: the environment variable
            SORTAL_WORKSPACE, or sortal-workspace.
        column: column of the images in Parquet and Arrow files. Default: found by type.
        label_column: column of the labels in any table. Default: found by its name.
        vocabulary: a file of terms to fuse and name by: one a line, or CSV, TSV, JSONL, Parquet
            or SKOS with term, description, synonyms, parent.
        vocabulary_mode: "replace" WordNet's nouns by the terms, or "add" them. Default: replace.
        by: sort by "thing", "scene", "action", "colour", "material" or "style", or by the terms of
            a vocabulary file; such runs follow one another and no others. Default: by all.
        exclude: globs of files that are left out.
        include: globs of files that are read even if hidden, thumbnails or excluded.
        **settings: any other setting of configs/schema.py, a section as a mapping, such as
            `random_state=1`, `collection="birds"` or `transport={"epsilon": 0.02}`.

    Running it again after images were added embeds only those, and clusters keep their ids.
    Raises UsageError for what cannot work, RunError when a run cannot go on.
    """
    given = {
        "n_clusters": n_clusters,
        "method": method,
        "encoder": {"spec": encoder} if isinstance(encoder, str) else encoder,
    }
    path_of(source, "source")  # `vectors:DIR` is a source, too, and no path to be changed
    where = {"source": str(source), "workspace": workspace_of(workspace)}
    chosen = {name: value for name, value in given.items() if value is not None}
    columns: dict[str, Any] = {"column": column, "label_column": label_column}
    columns |= {"exclude": exclude and tuple(exclude), "include": include and tuple(include)}
    images = {name: value for name, value in columns.items() if value is not None}
    terms = {"vocabulary": vocabulary and str(path_of(vocabulary, "vocabulary"))}
    terms |= {"vocabulary_mode": vocabulary_mode}
    nouns = {name: value for name, value in terms.items() if value is not None}
    chosen |= {"images": images, "nouns": nouns, **({"by": str(by)} if by is not None else {})}
    return _run(make_config(merge({**where, **chosen}, settings)))


_process: list[int] = []  # the one whose threads and connections runs of this module stand on


def _run(config: RunConfig) -> Run:
    if _process and _process[0] != os.getpid():
        raise RunError(
            "a process that was forked after sortal.cluster had run in its parent has none of the "
            "parent's threads, and a run in it would wait for them for ever; start processes by "
            'multiprocessing.get_context("spawn"), or before the first run'
        )
    _process[:] = [os.getpid()]
    with quick_imports():
        wait_for_server = start_run(config, log_for_python)
        from sortal.flows.recluster import recluster
        from sortal.storage.lake.attach import attached_once

    with attached_once():
        wait_for_server()
        result = recluster(config)
    return open_run(Path(result.workspace), result.run_id)

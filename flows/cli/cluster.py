"""`sortal cluster`: sort a collection into named clusters."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from sortal.configs import WORKSPACE
from sortal.configs.errors import UsageError
from sortal.flows.cli.options import (
    ByOption,
    CaptionsOption,
    ClustersOption,
    ColumnOption,
    EncoderOption,
    ExcludeOption,
    ExecutorOption,
    IncludeOption,
    JsonOption,
    LabelColumnOption,
    MethodOption,
    SettingsOption,
    ShowConfigOption,
    VocabularyModeOption,
    VocabularyOption,
    WorkspaceOption,
)


def cluster(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Folder, archive, Parquet, s3://…, urls:TABLE or vectors:DIR."
        ),
    ],
    clusters: ClustersOption = None,
    method: MethodOption = None,
    encoder: EncoderOption = None,
    captions: CaptionsOption = None,
    vocabulary: VocabularyOption = None,
    vocabulary_mode: VocabularyModeOption = None,
    by: ByOption = None,
    column: ColumnOption = None,
    label_column: LabelColumnOption = None,
    collection: Annotated[
        str | None,
        typer.Option(help="Name of the collection. Default: the one of SOURCE, else its name."),
    ] = None,
    exclude: ExcludeOption = None,
    include: IncludeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
    settings: SettingsOption = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    verify: Annotated[bool, typer.Option(help="Hash every file again, even if unchanged.")] = False,
    full: Annotated[
        bool,
        typer.Option(help="Ignore the previous run's state; clusters still keep their ids."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(help="Make nothing; print what would be read and embedded, and how long."),
    ] = False,
    executor: ExecutorOption = None,
    show_config: ShowConfigOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sort SOURCE into named clusters. The last line printed is the run id."""
    from sortal.configs.load import make_config

    if show_config and dry_run:
        raise UsageError("cluster takes --show-config or --dry-run, got both")
    values: dict[str, Any] = {"source": source, "workspace": workspace}
    values |= {"method": method} if method is not None else {}
    values |= {"n_clusters": clusters} if clusters is not None else {}
    values |= {"collection": collection} if collection is not None else {}
    values |= {"random_state": seed} if seed is not None else {}
    values |= {"encoder": {"spec": encoder}} if encoder else {}
    values |= {"executor": executor} if executor is not None else {}
    values |= {"captions": {"source": captions}} if captions else {}
    nouns = {"vocabulary": vocabulary, "vocabulary_mode": vocabulary_mode}
    values["nouns"] = {name: value for name, value in nouns.items() if value is not None}
    values |= {"by": by} if by is not None else {}
    globs = {"exclude": exclude or None, "include": include or None}
    images = {"column": column, "label_column": label_column, "verify": verify or None, **globs}
    values["images"] = {name: value for name, value in images.items() if value is not None}
    values |= {"lineage": {"full": True}} if full else {}
    act = _act(show_config=show_config, dry_run=dry_run)
    act(make_config(values, settings or []), as_json=as_json)


def _act(*, show_config: bool, dry_run: bool) -> Callable[..., Any]:
    """What the command does; a run begins without what a plan imports."""
    if show_config or dry_run:
        from sortal.flows.terminal import plan

        return plan.show_config if show_config else plan.show_plan
    from sortal.flows.terminal.run import run_cluster

    return run_cluster

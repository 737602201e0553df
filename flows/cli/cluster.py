"""`sortal cluster`: sort a collection into named clusters."""

from typing import Annotated, Any

import typer

from sortal.configs import METHOD, WORKSPACE
from sortal.flows.cli.options import CaptionsOption, JsonOption, SettingsOption, WorkspaceOption


def cluster(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Folder of images, tar file, Parquet, or vectors:DIR."
        ),
    ],
    clusters: Annotated[
        int, typer.Option("--clusters", "-k", metavar="K", help="Number of clusters.")
    ],
    method: Annotated[
        str, typer.Option(help="Preset (see `sortal methods`) or YAML file.")
    ] = METHOD,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="conse, open_clip:MODEL/PRETRAINED or vectors:DIR (see `sortal encoders`)."
        ),
    ] = None,
    captions: CaptionsOption = None,
    workspace: WorkspaceOption = WORKSPACE,
    settings: SettingsOption = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    verify: Annotated[bool, typer.Option(help="Hash every file again, even if unchanged.")] = False,
    full: Annotated[
        bool,
        typer.Option(help="Ignore the previous run's state; clusters still keep their ids."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Check everything and print what would run.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sort SOURCE into named clusters. The last line printed is the run id."""
    from sortal.configs.load import make_config
    from sortal.flows.terminal.run import run_cluster, show_plan

    values: dict[str, Any] = {
        "source": source,
        "n_clusters": clusters,
        "method": method,
        "workspace": workspace,
    }
    values |= {"random_state": seed} if seed is not None else {}
    values |= {"encoder": {"spec": encoder}} if encoder else {}
    values |= {"captions": {"source": captions}} if captions else {}
    values |= {"images": {"verify": True}} if verify else {}
    values |= {"lineage": {"full": True}} if full else {}
    act = show_plan if dry_run else run_cluster
    act(make_config(values, settings or []), as_json=as_json)

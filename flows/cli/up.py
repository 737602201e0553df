"""`sortal up`: Prefect's pages, a worker and a schedule on this machine, by one command."""

from typing import Annotated

import typer

from sortal.configs import SCHEDULE, WORKSPACE
from sortal.flows.cli.options import CaptionsOption, MethodOption, SettingsOption, WorkspaceOption


def up(
    source: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="What to sort every night, as for `sortal cluster`."),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option("--clusters", "-k", metavar="K", help="Number of clusters. Default: chosen."),
    ] = None,
    method: MethodOption = None,
    encoder: Annotated[str | None, typer.Option(help="As for `sortal cluster`.")] = None,
    captions: CaptionsOption = None,
    schedule: Annotated[
        str, typer.Option(metavar="CRON", help="When to sort SOURCE, in this machine's time zone.")
    ] = SCHEDULE,
    now: Annotated[bool, typer.Option(help="Sort SOURCE now as well.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Of Prefect's page. Default: the next free from 4200."),
    ] = None,
    workspace: WorkspaceOption = WORKSPACE,
    settings: SettingsOption = None,
) -> None:
    """Run Prefect's server, a worker and the schedule of SOURCE until Ctrl-C."""
    from sortal.flows.terminal.up import run_up

    given = {
        "source": source,
        "n_clusters": clusters,
        "method": method,
        "encoder": encoder,
        "captions": captions,
        "workspace": workspace,
    }
    run_up(given, settings or [], schedule, port, now)

"""The command line: parse, call a flow or a query, print. Heavy imports wait."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from sortal.configs.errors import RunError, UsageError

app = typer.Typer(
    name="sortal",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Sort a collection of images into named kinds, without labels, by meaning.",
)

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", envvar="SORTAL_WORKSPACE", help="Folder that holds everything."
    ),
]
DEFAULT_WORKSPACE = Path("sortal-workspace")


def main() -> NoReturn:
    """Entry point. Exit codes: 0 ok, 1 failed, 2 usage; a user's mistake is one line."""
    try:
        app(standalone_mode=True)
    except UsageError as error:
        _stop(str(error), 2)
    except RunError as error:
        _stop(str(error), 1)
    except KeyboardInterrupt:
        _stop("stopped; run the same command again to go on from here", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def _stop(message: str, code: int) -> NoReturn:
    print(f"sortal: {message}", file=sys.stderr)
    sys.exit(code)


def _version(shown: bool) -> None:
    if shown:
        from importlib.metadata import version

        print(f"sortal {version('sortal')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sort a collection of images into named kinds, without labels, by meaning."""


@app.command()
def cluster(
    source: Annotated[str, typer.Argument(help="A folder of images, a tar file, or Parquet.")],
    clusters: Annotated[int, typer.Option("--clusters", "-k", help="Number of clusters.")],
    method: Annotated[
        str, typer.Option(help="A preset (`sortal methods`) or a YAML file.")
    ] = "cae",
    encoder: Annotated[
        str | None,
        typer.Option(help="conse, open_clip:MODEL/PRETRAINED or vectors:DIR (`sortal encoders`)."),
    ] = None,
    captions: Annotated[
        str | None, typer.Option(help="A captions file, or `starter` for the embedded corpus.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting, e.g. transport.epsilon=0.02."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    verify: Annotated[bool, typer.Option(help="Hash every file again, even if unchanged.")] = False,
    full: Annotated[
        bool, typer.Option(help="Start cold, not from the last run; clusters keep their ids.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Check everything and say what would run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
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


@app.command()
def methods() -> None:
    """List the methods: every preset with what it is, its paper, what it needs, its switches."""
    from sortal.configs.presets import preset_lines

    for line in preset_lines():
        print(line)


@app.command()
def sql(
    query: Annotated[
        str | None, typer.Argument(help="A SELECT, .tables or .metrics; without one, .tables.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    output: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
    file: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """Ask the lake a question in SQL (DuckDB's dialect)."""
    from sortal.flows.terminal.query import run_sql

    run_sql(workspace, query, output, file)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="A run id; default: the newest run.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Make the report of a run again, and print its path."""
    from sortal.flows.terminal.run import make_report

    make_report(workspace, run)


@app.command()
def encoders() -> None:
    """List the encoders that work offline here, and how to get better ones."""
    from sortal.flows.terminal.run import show_encoders

    show_encoders()


@app.command()
def doctor(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Check the environment and say how to fix what is wrong."""
    from sortal.flows.terminal.doctor import examine

    if not examine(workspace):
        raise typer.Exit(1)


@app.command()
def demo(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Sort a real collection from the package index: named clusters, a report, a SQL answer."""
    from sortal.flows.terminal.demo import run_demo

    run_demo(workspace)


# Commands of other areas; they take their options from the names above.
from sortal.flows.cli import assign as _assign  # noqa: E402
from sortal.flows.cli import benchmark as _benchmark  # noqa: E402
from sortal.flows.cli import lineage  # noqa: E402
from sortal.flows.cli import maintenance as upkeep  # noqa: E402
from sortal.flows.cli import verify as care  # noqa: E402

_assign.register(app)
_benchmark.register(app)
care.register(app)
lineage.register(app)
upkeep.register(app)

"""The program `sortal`: its commands, its version, and its exit codes."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from sortal.configs.errors import RunError, UsageError
from sortal.flows.cli.assign import assign
from sortal.flows.cli.benchmark import benchmark
from sortal.flows.cli.cluster import cluster
from sortal.flows.cli.demo import demo
from sortal.flows.cli.doctor import doctor
from sortal.flows.cli.lineage import diff, rename
from sortal.flows.cli.listings import encoders, methods
from sortal.flows.cli.maintenance import backup, maintain, verify
from sortal.flows.cli.query import sql
from sortal.flows.cli.report import report
from sortal.flows.cli.runs import runs

COMMANDS = (
    cluster, assign, report, sql, runs, diff, rename, benchmark, methods, encoders, maintain,
    backup, verify, doctor, demo,
)  # fmt: skip

app = typer.Typer(
    name="sortal",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in COMMANDS:
    app.command()(_command)


def main() -> NoReturn:
    """Entry point. Exit codes: 0 ok, 1 failed, 2 usage; a user's mistake is one line."""
    try:
        app(prog_name="sortal")
    except UsageError as error:
        _stop(str(error), 2)
    except RunError as error:
        _stop(str(error), 1)
    except KeyboardInterrupt:
        _stop("stopped; run the same command again to continue", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def _stop(message: str, code: int) -> NoReturn:
    print(f"sortal: {message}", file=sys.stderr)
    sys.exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"sortal {version('sortal')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Sort a collection of images into named kinds, without labels, by meaning."""

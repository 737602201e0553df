"""The program `sortal`: its commands, its version, and its exit codes."""

import sys
from typing import Annotated, NoReturn

import typer

from sortal.configs.errors import RunError, UsageError, is_about_a_disk
from sortal.flows.cli.assign import assign
from sortal.flows.cli.benchmark import benchmark
from sortal.flows.cli.cluster import cluster
from sortal.flows.cli.demo import demo
from sortal.flows.cli.doctor import doctor
from sortal.flows.cli.lineage import diff, rename
from sortal.flows.cli.listings import encoders, methods
from sortal.flows.cli.look import browse, export, report
from sortal.flows.cli.maintenance import backup, maintain, verify
from sortal.flows.cli.query import find, sql
from sortal.flows.cli.runs import collections, runs
from sortal.flows.cli.up import up
from sortal.flows.process.begin import begin
from sortal.flows.process.stop import hold_still_if_stopped
from sortal.tasks.shown import shown
from sortal.tasks.silence import watched

COMMANDS = (
    cluster, assign, browse, report, find, export, sql, runs, collections, diff, rename, benchmark,
    methods, encoders, maintain, backup, verify, doctor, demo, up,
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
    """Entry point; a user's mistake is one line.

    Exit codes: 0 ok, 1 failed, 2 usage, 128 + the signal's number when a signal has ended it.
    """
    begin()
    try:
        try:
            with watched(next(iter(sys.argv[1:]), "")):
                app(prog_name="sortal")
        finally:
            sys.stdout.flush()
    except UsageError as error:
        _stop(str(error), 2)
    except RunError as error:
        _stop(str(error), 1)
    except OSError as error:
        if not is_about_a_disk(error):
            raise
        reason = " ".join(str(error).split())
        _stop(
            f"a file must be readable or writable, and its disk have room, got: {reason}; mend "
            "that, and run the same command again",
            1,
        )
    finally:
        hold_still_if_stopped()
    sys.exit(0)


def _stop(message: str, code: int) -> NoReturn:
    print(f"sortal: {shown(message)}", file=sys.stderr)
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

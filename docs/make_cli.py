"""Writes docs/cli.md from the commands; a test fails when it is stale: python docs/make_cli.py."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from sortal.flows.cli.app import app

PAGE = Path(__file__).parent / "cli.md"
HEAD = """\
# Command line

Written by `docs/make_cli.py` from the commands; edit the help texts in `flows/cli/`, not this page.

Exit status: 0 ok, 1 failed, 2 wrong usage, 130 stopped with
Ctrl-C (143 by SIGTERM, 129 with its terminal). A user's mistake is one line on
stderr. Every setting that `--set` takes is in `configs/`, with its default and meaning.
"""


def reference() -> str:
    """The page's text: a section for each command, in the order of `sortal --help`."""
    group: Any = typer.main.get_command(app)
    sections = [_section(name, command) for name, command in group.commands.items()]
    return "\n".join([HEAD, *_index(group.commands), *sections])


def _index(commands: dict[str, Any]) -> Iterator[str]:
    yield from ["| command | what it does |", "|---|---|"]
    for name, command in commands.items():
        first = inspect.cleandoc(command.help).replace("\n", " ").partition(". ")[0].rstrip(".")
        yield f"| [{name}](#sortal-{name}) | {first} |"
    yield ""


def _section(name: str, command: Any) -> str:
    arguments = [part for part in command.params if part.param_type_name == "argument"]
    options = [part for part in command.params if part.param_type_name == "option"]
    words = [_metavar(part) if part.required else f"[{_metavar(part)}]" for part in arguments]
    usage = " ".join([f"sortal {name}", *["[OPTIONS]"] * bool(options), *words])
    lines = [f"## sortal {name}", "", inspect.cleandoc(command.help), ""]
    lines += ["```", usage, "```", ""]
    lines += _table("argument", [(f"`{_metavar(part)}`", _meaning(part)) for part in arguments])
    lines += _table("option", [(_flags(part), _meaning(part)) for part in options])
    return "\n".join(lines)


def _table(kind: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield from [f"| {kind} | meaning |", "|---|---|"]
        yield from (f"| {flags} | {meaning} |" for flags, meaning in rows)
        yield ""


def _metavar(part: Any) -> str:
    return part.metavar or part.name.upper()


def _flags(part: Any) -> str:
    value = "" if part.is_flag else f" {_metavar(part)}"
    names = f"{', '.join([*part.opts, *part.secondary_opts])}{value}"
    return f"`{names}`"


def _meaning(part: Any) -> str:
    """The help text and what else is known: default, environment variable, whether required."""
    known = part.default is not None and part.default is not False
    default = f"default `{part.default}`" if known else None
    notes = [
        "required" if part.required and part.param_type_name == "option" else None,
        default,
        f"environment variable `{part.envvar}`" if part.envvar else None,
    ]
    noted = ", ".join(note for note in notes if note)
    text = part.help.replace("|", "\\|")
    return f"{text} ({noted})" if noted else text


if __name__ == "__main__":
    PAGE.write_text(reference().rstrip() + "\n", encoding="utf-8")

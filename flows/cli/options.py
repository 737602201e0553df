"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.configs import WORKSPACE_VARIABLE

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", envvar=WORKSPACE_VARIABLE, help="Folder of vectors, runs and reports."
    ),
]
RunOption = Annotated[str | None, typer.Option("--run", help="Run id. Default: the newest run.")]
FormatOption = Annotated[
    str,
    typer.Option("--format", metavar="FORMAT", help="Output format: table, csv, json or parquet."),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override any setting, for example transport.epsilon=0.02. Repeatable.",
    ),
]
CaptionsOption = Annotated[
    str | None,
    typer.Option(help="Captions file, or `starter` for the embedded corpus."),
]
TABLE = "table"  # the default of FormatOption

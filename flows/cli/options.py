"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from sortal.configs import WORKSPACE_VARIABLE


def named(path: str | Path) -> Path:
    """A path that was typed; an empty one, as of a variable that is not set, would be `.`."""
    if not str(path).strip():
        raise typer.BadParameter("a path must be named, got ''")
    return Path(path)


WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        envvar=WORKSPACE_VARIABLE,
        parser=named,
        metavar="WORKSPACE",
        help="Folder of vectors, runs and reports.",
    ),
]
RunOption = Annotated[str | None, typer.Option("--run", help="Run id. Default: the newest run.")]
FormatOption = Annotated[
    str,
    typer.Option("--format", metavar="FORMAT", help="Output format: table, csv, json or parquet."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        parser=named,
        metavar="FILE",
        help="Write to this file instead of stdout.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ShowConfigOption = Annotated[
    bool, typer.Option("--show-config", help="Print every setting of the run, and stop.")
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override any setting, for example transport.epsilon=0.02. Repeatable.",
    ),
]
ColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column of the images in Parquet and Arrow files. Default: found by type.",
    ),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Column of the labels in any table. Default: found by its name."
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Leave out files that match, for example drafts or '*.png'. Repeatable.",
    ),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Read files that match even if hidden, thumbnails or excluded. Repeatable.",
    ),
]
CaptionsOption = Annotated[
    str | None,
    typer.Option(help="Captions file, or `starter` for the embedded corpus."),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(help="conse, open_clip:MODEL/PRETRAINED or vectors:DIR (see `sortal encoders`)."),
]
VocabularyOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Terms to fuse and name by: one a line, or CSV, TSV, JSONL, Parquet, SKOS with term, "
        "description, synonyms, parent.",
    ),
]
VocabularyModeOption = Annotated[
    str | None,
    typer.Option(metavar="MODE", help="replace WordNet's nouns by the terms (default), or add."),
]
ByOption = Annotated[
    str | None,
    typer.Option(
        metavar="CRITERION",
        help="Sort by thing, scene, action, colour, material, style, or a vocabulary FILE.",
    ),
]
ClustersOption = Annotated[
    str | None,
    typer.Option(
        "--clusters",
        "-k",
        metavar="K",
        help="Number of clusters, a range such as 10..60, or auto. Default: auto.",
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        help="Preset (see `sortal methods`) or YAML file. Default: auto, or cae where a collection "
        "was sorted by that alone."
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="local, ray (a cluster on this machine), ray://HOST:10001 or HOST:6379.",
    ),
]
TABLE = "table"  # the default of FormatOption

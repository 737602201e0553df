"""`sortal benchmark`: methods x labelled collections under one protocol."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sortal.configs import ENCODER, JOBS, PROTOCOL, SEEDS, WORKSPACE
from sortal.flows.cli.options import (
    CaptionsOption,
    ColumnOption,
    ExcludeOption,
    IncludeOption,
    JsonOption,
    LabelColumnOption,
    SettingsOption,
    WorkspaceOption,
)

Collections = Annotated[
    list[str],
    typer.Argument(
        help="Labelled sources, vectors:DIR, demo, or names such as cifar10 and cifar10/test.",
        metavar="COLLECTION...",
    ),
]
TrainOption = Annotated[
    list[str] | None,
    typer.Option(help="With split: the train split of each source, in order. Repeatable."),
]
ClustersOption = Annotated[
    int | None,
    typer.Option(
        "--clusters", "-k", metavar="K", help="Number of clusters. Default: the number of classes."
    ),
]
ImagenetOption = Annotated[
    Path | None,
    typer.Option(envvar="SORTAL_IMAGENET", help="ImageNet folder with train/ and val/."),
]


def benchmark(
    collections: Collections,
    methods: Annotated[
        str | None,
        typer.Option(help="Presets or YAML files, comma-separated. Default: the main methods."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Number of random seeds of each method: 0, 1, ...")
    ] = SEEDS,
    encoders: Annotated[
        str, typer.Option(help="Image encoders, comma-separated (see `sortal encoders`).")
    ] = ENCODER,
    protocol: Annotated[
        str,
        typer.Option(help="whole: fit and evaluate on all images; split: fit on the train split."),
    ] = PROTOCOL,
    train: TrainOption = None,
    clusters: ClustersOption = None,
    captions: CaptionsOption = None,
    column: ColumnOption = None,
    label_column: LabelColumnOption = None,
    exclude: ExcludeOption = None,
    include: IncludeOption = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; 0: one for each core.")] = JOBS,
    imagenet: ImagenetOption = None,
    settings: SettingsOption = None,
    workspace: WorkspaceOption = WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Run every method with every seed on every collection; finished cells are not run again."""
    from sortal.configs.commands.benchmark import BenchmarkConfig
    from sortal.configs.load import checked
    from sortal.flows.terminal.benchmark import run_benchmark

    given: dict[str, Any] = {
        "methods": methods and tuple(methods.split(",")),
        "captions": captions,
        "imagenet": imagenet,
        "n_clusters": clusters,
    }
    values = {
        "collections": tuple(collections),
        "seeds": seeds,
        "encoders": tuple(encoders.split(",")),
        "protocol": protocol,
        "train": tuple(train or ()),
        "jobs": jobs,
        "settings": (
            *_columns(column, label_column),
            *_globs(exclude, include),
            *(settings or ()),
        ),
        "workspace": workspace,
        **{name: value for name, value in given.items() if value is not None},
    }
    if not run_benchmark(checked(BenchmarkConfig, values), as_json=as_json):
        raise typer.Exit(1)


def _columns(image: str | None, label: str | None) -> tuple[str, ...]:
    """The named columns as settings; quoted, since a column may be called 1."""
    named = {"images.column": image, "images.label_column": label}
    return tuple(f"{key}={json.dumps(name)}" for key, name in named.items() if name is not None)


def _globs(exclude: list[str] | None, include: list[str] | None) -> tuple[str, ...]:
    given = {"images.exclude": exclude, "images.include": include}
    return tuple(f"{key}={json.dumps(globs)}" for key, globs in given.items() if globs)

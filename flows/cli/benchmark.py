"""`sortal benchmark`: methods x labelled collections under one protocol."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sortal.flows.cli.app import DEFAULT_WORKSPACE, WorkspaceOption


def register(app: typer.Typer) -> None:
    """Add this area's command."""
    app.command()(benchmark)


def benchmark(
    collections: Annotated[
        list[str],
        typer.Argument(
            help="Labelled sources, vectors:DIR, demo, or names such as cifar10 and cifar10/test.",
            metavar="COLLECTION...",
        ),
    ],
    methods: Annotated[
        str | None, typer.Option(help="Presets or YAML files, with commas; default: all papers'.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of each method: 0, 1, ...")] = 5,
    encoders: Annotated[
        str, typer.Option(help="Encoders of images, with commas (`sortal encoders`).")
    ] = "conse",
    protocol: Annotated[
        str,
        typer.Option(help="whole: fit and measure on all; split: learn on train."),
    ] = "whole",
    train: Annotated[
        list[str] | None, typer.Option(help="Split: the train split of each source, in order.")
    ] = None,
    clusters: Annotated[
        int | None, typer.Option("--clusters", "-k", help="Default: the number of classes.")
    ] = None,
    captions: Annotated[
        str | None, typer.Option(help="A captions file, or `starter` for the embedded corpus.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; 0: one a core.")] = 0,
    imagenet: Annotated[
        Path | None,
        typer.Option(envvar="SORTAL_IMAGENET", help="ImageNet's folder, with train/ and val/."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, for every method."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Run every method with every seed on every collection; only what is missing is run."""
    from sortal.configs.benchmark import BenchmarkConfig
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
        "settings": tuple(settings or ()),
        "workspace": workspace,
        **{name: value for name, value in given.items() if value is not None},
    }
    if not run_benchmark(checked(BenchmarkConfig, values), as_json=as_json):
        raise typer.Exit(1)

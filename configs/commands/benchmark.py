"""The configuration of a benchmark: which methods, on which collections, under which protocol."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from sortal.configs import CAPTIONS, ENCODER, JOBS, LEASE_SECONDS, PROTOCOL, SEEDS, WORKSPACE
from sortal.configs.errors import UsageError
from sortal.configs.presets import load_preset, main_presets
from sortal.configs.section import Runtime, Section

Protocol = Literal["whole", "split"]


class BenchmarkConfig(Section):
    """A grid of cells: collection x encoder x method x seed."""

    collections: tuple[str, ...] = Field(
        min_length=1
    )  # sources, or names (tasks/datasets/collections.py)
    methods: tuple[str, ...] = Field(default_factory=main_presets, min_length=1)
    seeds: int = Field(SEEDS, ge=1, le=1000)  # random_state 0, 1, ...
    encoders: tuple[str, ...] = Field((ENCODER,), min_length=1)  # for sources of images
    protocol: Protocol = PROTOCOL
    train: tuple[str, ...] = ()  # the train split of each collection that does not know its own
    n_clusters: int | None = Field(None, ge=2)  # None: as many as there are classes
    captions: str = CAPTIONS  # for sources of images; ready-made vectors bring their own
    settings: tuple[str, ...] = ()  # KEY=VALUE, laid over every method's preset
    jobs: int = Runtime(JOBS, ge=0, le=1024)  # worker processes; 0: a core each
    imagenet: Path | None = Runtime(None)  # ILSVRC's folder, with train/ and val/
    workspace: Path = Runtime(WORKSPACE)
    lease_seconds: float = Runtime(LEASE_SECONDS, ge=2, le=86400)

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            load_preset(method)
        names = [Path(method).stem for method in methods]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise UsageError(f"methods must differ, got {twice} twice")
        return methods

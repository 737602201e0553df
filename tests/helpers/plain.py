"""The real flow, its steps called without Prefect, so that a run of a small collection is quick."""

from typing import Any

import pytest

from sortal.configs.schema import RunConfig
from sortal.flows import recluster as module
from sortal.flows.run.result import RunResult
from sortal.storage.artifacts import Artifact
from sortal.tasks.step import Step


class PlainSteps(module.Steps):
    """Steps that are called, not submitted as Prefect tasks."""

    def __call__(self, step: Step, role: str | None = None, **arguments: Any) -> Artifact:
        artifact = step(self.workspace, **arguments)
        self.done[role or step.kind] = artifact
        return artifact


def cluster(config: RunConfig) -> RunResult:
    """Run the flow's function on plain steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Steps", PlainSteps)
        return module.recluster.fn(config)

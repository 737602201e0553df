"""The context of a run: its configuration, encoder and past, and the steps it has taken."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, ParamSpec

from prefect.context import FlowRunContext

from sortal.configs.schema import RunConfig
from sortal.flows.pages.labels import label
from sortal.flows.pages.pause import wait_while_paused
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.base import EncoderInfo
from sortal.tasks.encoders.registry import describe
from sortal.tasks.lineage.previous_run import Past, look_back
from sortal.tasks.step import InputsT, Step

P = ParamSpec("P")

CLASSES = "classes"  # the role of the classes that are named


class Images(NamedTuple):
    """The images of a source: their scan, their vectors, and where they lie."""

    scan: Artifact
    vectors: Artifact
    source: str


class Space(NamedTuple):
    """A corpus, its vectors, the part that suits the collection, and its solved transport."""

    corpus: Artifact
    vectors: Artifact
    texts: Artifact
    transport: Artifact


class Steps:
    """Runs steps as Prefect tasks whose references are kept in the workspace, and notes them.

    Without a flow run (`recluster.fn(config)`) they run as plain functions.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.done: dict[str, Artifact] = {}

    def __call__(
        self, step: Step[P, InputsT], role: str, /, *args: P.args, **inputs: P.kwargs
    ) -> Artifact:
        """The artifact of `step`: Cached in Prefect's view while it is sound and unchanged.

        `role` is what it is to the run, by which the lake knows it.
        """
        if FlowRunContext.get() is None:
            return self.keep(role, step(self.workspace, *args, **inputs))
        wait_while_paused()
        task = step.task.with_options(
            result_storage=self.workspace.results, task_run_name=label(role)
        )
        return self.keep(role, Artifact(**task(self.workspace, inputs)))

    def keep(self, role: str, artifact: Artifact) -> Artifact:
        """Note an artifact that is there already as the run's own."""
        self.done[role] = artifact
        return artifact


@dataclass(frozen=True)
class Run:
    """What every stage of a run is given."""

    config: RunConfig
    encoder: EncoderInfo
    steps: Steps
    past: Past = field(default_factory=Past)

    @classmethod
    def begin(cls, config: RunConfig, steps: Steps) -> "Run":
        """A run of these settings that has not looked at its source yet; raises UsageError."""
        return cls(config, describe(config.encoder.spec), steps)

    @property
    def workspace(self) -> Workspace:
        """Where everything is kept."""
        return self.steps.workspace

    def do(
        self, step: Step[P, InputsT], role: str, /, *args: P.args, **inputs: P.kwargs
    ) -> Artifact:
        """The artifact of a step, noted under its role; see `Steps`."""
        return self.steps(step, role, *args, **inputs)

    def continued(self, scan: Artifact) -> "Run":
        """The run with what it continues from, chosen by its scan: nothing where lineage is off."""
        if not self.config.continues:
            return self
        past = look_back(self.workspace, self.config, self.encoder.fingerprint, scan)
        return replace(self, past=past)

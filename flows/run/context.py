"""What a flow runs its steps with, and what it keeps of a corpus."""

from typing import Any, NamedTuple

from prefect.context import FlowRunContext

from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.step import Step


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

    def __call__(self, step: Step, role: str | None = None, **arguments: Any) -> Artifact:
        """The artifact of `step`: Cached in Prefect's view while it is sound and unchanged.

        `role` is what it is to the run (default: the step's kind), by which the lake knows it.
        """
        if FlowRunContext.get() is None:
            artifact = step(self.workspace, **arguments)
        else:
            task = step.task.with_options(result_storage=self.workspace.results)
            artifact = task(self.workspace, arguments)
        return self.keep(role or step.kind, artifact)

    def keep(self, role: str, artifact: Artifact) -> Artifact:
        """Note an artifact that is there already as the run's own."""
        self.done[role] = artifact
        return artifact

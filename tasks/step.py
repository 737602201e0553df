"""What makes a function a step: its result is an artifact, and Prefect caches the reference.

A step declares its inputs once, in a frozen dataclass; its body is a plain function
`body(folder, workspace, inputs) -> Written`. Calling the step with these inputs by name, which
mypy checks, builds or finds its artifact without Prefect; `step.task` is the Prefect task.
"""

import functools
import logging
from collections.abc import Callable
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel

from sortal.configs.errors import counted, is_transient
from sortal.configs.section import identity_of
from sortal.storage.artifacts import Artifact, Written, find, keep, publish
from sortal.storage.hashing import fingerprint
from sortal.storage.workspace import Workspace
from sortal.tasks.cost import Meter
from sortal.tasks.silence import doing

log = logging.getLogger("sortal")
# Seconds: a lost connection, a restarting server, a share that is mounted again.
RETRY_AFTER: list[float] = [5, 30, 120]


class Inputs(Protocol):
    """A frozen dataclass of a step's inputs."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


P = ParamSpec("P")
InputsT = TypeVar("InputsT", bound=Inputs)


def optional(*, stored_as: str | None = None) -> Any:
    """An input that may be None, and then has no part in the fingerprint.

    So artifacts made before a step knew of it stay valid. `stored_as` is the name it has in
    fingerprints, where it was once called so.
    """
    return field(default=None, metadata={"optional": True, "stored_as": stored_as})


def _arguments(inputs: Inputs) -> dict[str, Any]:
    """What a fingerprint is made of, by name."""
    found = {}
    for each in fields(inputs):
        value = getattr(inputs, each.name)
        if value is not None or not each.metadata.get("optional"):
            found[each.metadata.get("stored_as") or each.name] = value
    return found


def _identity(value: Any) -> Any:
    if isinstance(value, Artifact):
        return value.identity
    if isinstance(value, BaseModel):
        return identity_of(value)
    if isinstance(value, dict):
        return {str(key): _identity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    return value


class Step(Generic[P, InputsT]):
    """A cached step of kind `kind`; raise `version` when the body's meaning changes.

    `state(workspace, inputs)` adds what the inputs do not show, such as the listing of a folder.
    `check(workspace, artifact)` adds a test beyond the manifest, such as a row in the lake.
    """

    def __init__(
        self,
        body: Callable[[Path, Workspace, InputsT], Written],
        inputs: Callable[P, InputsT],
        kind: str,
        version: int,
        state: Callable[[Workspace, InputsT], Any] | None = None,
        check: Callable[[Workspace, Artifact], bool] | None = None,
    ) -> None:
        self._body = body
        self._inputs = inputs
        self.kind = kind
        self.version = version
        self._state = state
        self._check = check
        functools.update_wrapper(self, body)

    def fingerprint(self, workspace: Workspace, *args: P.args, **inputs: P.kwargs) -> str:
        """Hash of kind, version, inputs (artifacts by identity) and state."""
        return self.key(workspace, self._inputs(*args, **inputs))

    def key(self, workspace: Workspace, inputs: InputsT) -> str:
        """The fingerprint of inputs that are made already."""
        state = self._state(workspace, inputs) if self._state else None
        return fingerprint(self.kind, self.version, _identity(_arguments(inputs)), state)

    def find(self, workspace: Workspace, *args: P.args, **inputs: P.kwargs) -> Artifact | None:
        """The finished, sound artifact of these inputs, or None."""
        return self._sound(workspace, self.fingerprint(workspace, *args, **inputs))

    def __call__(self, workspace: Workspace, *args: P.args, **inputs: P.kwargs) -> Artifact:
        """The artifact of these inputs: found, or built now."""
        return self._made(workspace, self._inputs(*args, **inputs))

    def _made(self, workspace: Workspace, inputs: InputsT) -> Artifact:
        key = self.key(workspace, inputs)
        return self._sound(workspace, key) or self._build(workspace, key, inputs)

    def _sound(self, workspace: Workspace, key: str) -> Artifact | None:
        found = find(workspace, self.kind, key)
        if found is None or (self._check and not self._check(workspace, found)):
            return None
        keep(workspace, found)
        return found

    def _build(self, workspace: Workspace, key: str, inputs: InputsT) -> Artifact:
        def body(folder: Path) -> Written:
            with Meter() as meter:
                written = self._body(folder, workspace, inputs)
            facts = {**written.facts, "cost": meter.figures()}
            return written.model_copy(update={"facts": facts})

        doing(f"making {self.kind.replace('_', ' ')}")
        artifact = publish(workspace, self.kind, key, body)
        seconds = artifact.facts["cost"]["seconds"]
        log.info("%s: %s in %.1f s", self.kind, counted(artifact.rows, "row"), seconds)
        return artifact

    @functools.cached_property
    def task(self) -> Any:
        """The Prefect task: cached by fingerprint, and only while the artifact is sound.

        It gives the artifact's fields, and no object: what Prefect keeps is read by every later
        version, wherever the class is then.
        """
        from prefect import task

        made: Callable[..., InputsT] = self._inputs

        def cache_key(_context: Any, parameters: dict[str, Any]) -> str:
            workspace = parameters["workspace"]
            key = self.key(workspace, made(**parameters["inputs"]))
            kept = workspace.results / key
            if not self._sound(workspace, key) or _names_a_class(kept):
                kept.unlink(missing_ok=True)  # a hit must never name a damaged artifact
            return key

        def run(workspace: Workspace, inputs: dict[str, Any]) -> dict[str, Any]:
            return self._made(workspace, made(**inputs)).model_dump(mode="json")

        return task(
            name=self.kind,
            cache_key_fn=cache_key,
            persist_result=True,
            result_serializer="json",
            retries=len(RETRY_AFTER),
            retry_delay_seconds=RETRY_AFTER,
            retry_jitter_factor=0.5,
            retry_condition_fn=_worth_a_retry,
        )(run)


def step(
    kind: str,
    inputs: Callable[P, InputsT],
    version: int = 1,
    state: Callable[[Workspace, InputsT], Any] | None = None,
    check: Callable[[Workspace, Artifact], bool] | None = None,
) -> Callable[[Callable[[Path, Workspace, InputsT], Written]], Step[P, InputsT]]:
    """Decorator: make `body(folder, workspace, inputs) -> Written` a `Step` of these inputs."""
    return lambda body: Step(body, inputs, kind, version, state, check)


def _names_a_class(kept: Path) -> bool:
    """Whether Prefect's reference is one of before 2026-11-28, which only the old code can read."""
    try:
        return "__class__" in kept.read_text("utf-8")
    except OSError:
        return False


async def _worth_a_retry(_task: Any, _run: Any, state: Any) -> bool:
    """A step is tried again only when what failed may pass: never for a mistake or a full disk."""
    result = await state.aresult(raise_on_failure=False)
    return isinstance(result, BaseException) and is_transient(result)

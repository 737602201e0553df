"""What makes a function a step: its result is an artifact, and Prefect caches the reference.

A step's body is a plain function `body(folder, workspace, **arguments) -> Written`. Calling the
step builds or finds its artifact without Prefect; `step.task` is the Prefect task.
"""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sortal.configs.errors import may_pass
from sortal.configs.section import identity_of
from sortal.storage.artifacts import Artifact, Written, find, publish
from sortal.storage.hashing import fingerprint
from sortal.storage.workspace import Workspace
from sortal.tasks.cost import Meter

log = logging.getLogger("sortal")
RETRY_AFTER: list[float] = [
    5,
    30,
    120,
]  # seconds: a lost connection, a restarting server, a remounted share


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


class Step:
    """A cached step of kind `kind`; raise `version` when the body's meaning changes.

    `state(workspace, **arguments)` adds what the arguments do not show, such as the listing of
    a folder. `check(workspace, artifact)` adds a test beyond the manifest, such as a row in
    the lake.
    """

    def __init__(
        self,
        body: Callable[..., Written],
        kind: str,
        version: int,
        state: Callable[..., Any] | None = None,
        check: Callable[[Workspace, Artifact], bool] | None = None,
    ) -> None:
        self._body = body
        self.kind = kind
        self.version = version
        self._state = state
        self._check = check
        functools.update_wrapper(self, body)

    def fingerprint(self, workspace: Workspace, **arguments: Any) -> str:
        """Hash of kind, version, arguments (artifacts by identity) and state."""
        state = self._state(workspace, **arguments) if self._state else None
        return fingerprint(self.kind, self.version, _identity(arguments), state)

    def find(self, workspace: Workspace, **arguments: Any) -> Artifact | None:
        """The finished, sound artifact of these arguments, or None."""
        return self._sound(workspace, self.fingerprint(workspace, **arguments))

    def __call__(self, workspace: Workspace, **arguments: Any) -> Artifact:
        """The artifact of these arguments: found, or built now."""
        key = self.fingerprint(workspace, **arguments)
        return self._sound(workspace, key) or self._build(workspace, key, arguments)

    def _sound(self, workspace: Workspace, key: str) -> Artifact | None:
        found = find(workspace, self.kind, key)
        return found if found and (self._check is None or self._check(workspace, found)) else None

    def _build(self, workspace: Workspace, key: str, arguments: dict[str, Any]) -> Artifact:
        def body(folder: Path) -> Written:
            with Meter() as meter:
                written = self._body(folder, workspace, **arguments)
            facts = {**written.facts, "cost": meter.figures()}
            return written.model_copy(update={"facts": facts})

        artifact = publish(workspace, self.kind, key, body)
        seconds = artifact.facts["cost"]["seconds"]
        log.info("%s: %s rows in %.1f s", self.kind, f"{artifact.rows:,}", seconds)
        return artifact

    @functools.cached_property
    def task(self) -> Any:
        """The Prefect task: cached by fingerprint, and only while the artifact is sound."""
        from prefect import task

        def cache_key(_context: Any, parameters: dict[str, Any]) -> str:
            workspace, arguments = parameters["workspace"], parameters["arguments"]
            key = self.fingerprint(workspace, **arguments)
            if not self._sound(workspace, key):  # a hit must never name a damaged artifact
                (workspace.results / key).unlink(missing_ok=True)
            return key

        def run(workspace: Workspace, arguments: dict[str, Any]) -> Artifact:
            return self(workspace, **arguments)

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
    version: int = 1,
    state: Callable[..., Any] | None = None,
    check: Callable[[Workspace, Artifact], bool] | None = None,
) -> Callable[[Callable[..., Written]], Step]:
    """Decorator: make `body(folder, workspace, **arguments) -> Written` a `Step`."""
    return lambda body: Step(body, kind, version, state, check)


async def _worth_a_retry(_task: Any, _run: Any, state: Any) -> bool:
    """A step is tried again only when what failed may pass: never for a mistake or a full disk."""
    result = await state.aresult(raise_on_failure=False)
    return isinstance(result, BaseException) and may_pass(result)

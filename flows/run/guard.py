"""What guards a run: the lease of its collection, a clean workspace, clear errors of the disk."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Crashed

from sortal.configs.errors import RunError, is_about_a_disk
from sortal.configs.schema import RunConfig
from sortal.flows.run.check import with_vocabulary
from sortal.flows.run.collection import of_its_collection
from sortal.storage.lake.lease import hold
from sortal.storage.lake.retry import patience
from sortal.storage.maintenance.abandoned import remove_abandoned
from sortal.storage.mirror import Mirror
from sortal.storage.stopping import when_stopped
from sortal.storage.workspace import Workspace

log = logging.getLogger("sortal")

_INSIDE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


@contextmanager
def alone(config: RunConfig) -> Iterator[tuple[RunConfig, Workspace, str]]:
    """Hold the collection's lease for as long as the run lasts.

    Yields the settings under the collection's name in the lake, the workspace and the token.
    Removes what killed processes left behind. Raises UsageError where the name is another
    source's, RunError when the collection is held by another run, and in place of the system's
    errors about a disk.
    """
    context = FlowRunContext.get()
    name = f"run {context.flow_run.name}" if context and context.flow_run else "a run"
    with (
        clear_disk_errors(config.workspace),
        patience(config.patience_seconds),
        crashed_when_stopped(),
    ):
        workspace = Workspace(config.workspace).create()
        if mirror := Mirror.of(workspace):
            mirror.bucket.require(write=True)
        settled = with_vocabulary(of_its_collection(config))
        if settled.method != config.method:
            log.info(
                "%s goes on with %s, by which alone it was sorted so far; give --method %s once, "
                "and it goes on with that",
                settled.collection_name, settled.method, config.method,
            )  # fmt: skip
        with hold(workspace, settled.collection_name, settled.lease_seconds, name) as lease:
            remove_abandoned(workspace)
            yield settled, workspace, lease


@contextmanager
def crashed_when_stopped() -> Iterator[None]:
    """Have Prefect told when a signal ends this process: it would show the run as running."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None:
        yield
        return

    def tell() -> None:
        with suppress(Exception), get_client(sync_client=True) as client:
            state: State[None] = Crashed(message="A signal ended the process.")
            client.set_flow_run_state(flow_run.id, state, force=True)

    with when_stopped(tell):
        yield


@contextmanager
def clear_disk_errors(workspace: Path) -> Iterator[None]:
    """Raise RunError in place of an OSError that says the disk is full, or may not be written."""
    try:
        yield
    except OSError as error:
        text = " ".join(str(error).split())
        if not _is_about_the_disk(error, workspace):
            raise
        raise RunError(
            f"the workspace {workspace} must be writable and its disk have room, got: "
            f"{text}; fix that and run again, finished steps are kept"
        ) from error


def _is_about_the_disk(error: OSError, workspace: Path) -> bool:
    if isinstance(error.filename, str):
        inside = Path(error.filename).absolute().is_relative_to(workspace.absolute())
        if not inside and not Path(error.filename).resolve().is_relative_to(workspace.resolve()):
            return False
        if error.errno in _INSIDE:  # a file in a folder's place, or a folder that is gone
            return True
    return is_about_a_disk(error)

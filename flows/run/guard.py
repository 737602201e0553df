"""What guards a run: the lease of its collection, a clean workspace, clear errors of the disk."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.context import FlowRunContext

from sortal.configs.errors import RunError
from sortal.configs.schema import RunConfig
from sortal.storage.lake.lease import hold
from sortal.storage.maintenance.leftovers import sweep
from sortal.storage.workspace import Workspace

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}
_WORDS = ("no space left", "requested and", "read-only file system")  # numpy gives no number


@contextmanager
def alone(config: RunConfig) -> Iterator[tuple[Workspace, str]]:
    """Hold the collection's lease for as long as the run lasts; yields the workspace and token.

    Removes what killed processes left behind. Raises RunError when the collection is held by
    another run, and in place of the system's errors about a disk.
    """
    context = FlowRunContext.get()
    name = f"run {context.flow_run.name}" if context and context.flow_run else "a run"
    with clear_disk_errors(config.workspace):
        workspace = Workspace(config.workspace).create()
        with hold(workspace, config.collection_name, config.lease_seconds, name) as lease:
            sweep(workspace)
            yield workspace, lease


@contextmanager
def clear_disk_errors(workspace: Path) -> Iterator[None]:
    """Raise RunError in place of an OSError that says the disk is full, or may not be written."""
    try:
        yield
    except OSError as error:
        text = " ".join(str(error).split())
        if not _is_about_the_disk(error, workspace, text):
            raise
        raise RunError(
            f"the workspace {workspace} must be writable and its disk have room, got: "
            f"{text}; fix that and run again, finished steps are kept"
        ) from error


def _is_about_the_disk(error: OSError, workspace: Path, text: str) -> bool:
    if isinstance(error.filename, str) and not Path(error.filename).resolve().is_relative_to(
        workspace.resolve()
    ):
        return False
    return error.errno in _DISK or any(word in text.lower() for word in _WORDS)

"""What is imported while the server starts, since it will be needed; and how imports are quick."""

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from sortal.storage.workspace import Workspace


@contextmanager
def quick_imports(*, forever: bool = False) -> Iterator[None]:
    """Within the body, no garbage is looked for; `forever`: nor later among what it has made.

    Imports make objects by the hundred thousand and no garbage; the collector, which goes through
    them again and again, takes a fifth of the time of Prefect's import and of its server's.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if forever:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()


def import_ahead(workspace: Workspace) -> None:
    """Import the flow, and torch where no run has been finished yet.

    torch takes seconds, and a run in which nothing has changed goes without it.
    """
    importlib.import_module("sortal.flows.recluster")
    importlib.import_module("fastapi.encoders")  # by Prefect, for what a flow is given
    if not any(workspace.artifacts.glob("run/*")):
        importlib.import_module("torch")

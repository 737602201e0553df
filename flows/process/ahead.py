"""What is imported while the server starts, since it will be needed."""

import importlib

from sortal.storage.workspace import Workspace


def import_ahead(workspace: Workspace) -> None:
    """Import the flow, and torch where everything is still to be made.

    torch takes seconds, and a run in which nothing has changed goes without it.
    """
    importlib.import_module("sortal.flows.recluster")
    if not any(workspace.artifacts.glob("partition/*")):
        importlib.import_module("torch")

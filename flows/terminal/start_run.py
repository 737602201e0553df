"""What happens before a run, on the command line and in Python: checks, a server, imports."""

import importlib
from collections.abc import Callable

from sortal.configs.schema import RunConfig
from sortal.flows.process.home import settle_home
from sortal.flows.terminal.logs import quiet_prefect
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.hub import check_within_reach
from sortal.tasks.silence import doing


def start_run(config: RunConfig, set_log: Callable[[], None]) -> Callable[[], None]:
    """Check what can be, start a server and import the flow; returns what waits for the server.

    `set_log()` is called after Prefect's import, which sets levels, and before anything is logged.
    A new workspace goes again where a check fails. Call it before Prefect is imported. Who waits
    within `attached_once` finds the lake attached: the server's first answers take as long.
    """
    from sortal.flows.process.server import begin_server, begin_server_if_plain, reach_server

    workspace = Workspace(config.workspace)
    with workspace.made():
        settle_home(config.workspace)
        begin_server_if_plain()
        from sortal.storage.lake.attach import open_ahead
        from sortal.storage.lake.lake import Lake
        from sortal.storage.lake.lease import check_reachable

        check_reachable(workspace)
        check_within_reach(config.encoder.spec)
        quiet_prefect()
        reach_server()
        from sortal.flows.run.check import check

        set_log()
        check(config)
    wait_for_server = begin_server()
    doing("loading what steps need")
    _import_ahead(workspace)

    def ahead() -> None:
        Lake(workspace).close()
        if _is_first(workspace):
            importlib.import_module(_NEEDED_LAST)

    def wait() -> None:
        doing("starting Prefect's server")
        wait_for_server()
        open_ahead(ahead)

    return wait


_NEEDED = ("torch", "scipy.sparse", "pyarrow.dataset")  # by steps that are run
_NEEDED_LAST = "scipy.optimize"  # where there are labels


def _import_ahead(workspace: Workspace) -> None:
    """Import the flow, and where no run has been finished yet what its steps need.

    The server takes longer to start; a run in which nothing has changed goes without all that.
    """
    importlib.import_module("sortal.flows.recluster")
    importlib.import_module("fastapi.encoders")  # by Prefect, for what a flow is given
    if _is_first(workspace):
        for name in _NEEDED:
            importlib.import_module(name)
        from sortal.tasks.report.page import template

        template()


def _is_first(workspace: Workspace) -> bool:
    return not any(workspace.artifacts.glob("run/*"))

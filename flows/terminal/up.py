"""What `sortal up` prints: where the pages are, and what runs when."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sortal.configs import SCHEDULE
from sortal.configs.commands.deployed import run_config
from sortal.configs.errors import UsageError
from sortal.configs.load import typed
from sortal.flows.service.deployments import Nightly, check_cron, local_zone, register, run_now
from sortal.flows.service.up import Service, service
from sortal.flows.terminal.logs import quiet_prefect
from sortal.storage.workspace import Workspace
from sortal.tasks.silence import doing, unwatched


def run_up(
    given: Mapping[str, Any], settings: Sequence[str], cron: str, port: int | None, now: bool
) -> None:
    """Check what is asked for, start everything, say where it is, and wait."""
    quiet_prefect()
    nightly = _nightly(given, settings, cron)
    if now and not nightly:
        raise UsageError("SOURCE must be given with --now, such as ~/photos -k 20 --now")
    workspace = Workspace(Path(given["workspace"])).create()
    doing("starting Prefect's server")
    with service(workspace, port) as running:
        register(running.api, workspace.root, nightly)
        if now:
            run_now(running.api)
        unwatched()
        _say(running, nightly)
        running.work()


def _nightly(given: Mapping[str, Any], settings: Sequence[str], cron: str) -> Nightly | None:
    """The nightly run, checked before anything starts; None without a source."""
    if given["source"] is None:
        _refuse_alone(given, settings, cron)
        return None
    place = str(Path(given["workspace"]).absolute())
    parameters = {name: value for name, value in given.items() if value is not None}
    parameters["workspace"] = place
    chosen = dict(map(typed, settings))
    config = run_config(parameters, chosen)
    from sortal.flows.run.check import check

    check(config)
    if chosen:
        parameters["settings"] = chosen
    return Nightly(parameters, check_cron(cron), local_zone())


def _refuse_alone(given: Mapping[str, Any], settings: Sequence[str], cron: str) -> None:
    """Raise UsageError for what says how to sort a source, where there is none."""
    options = {"-k": "n_clusters", "--method": "method", "--encoder": "encoder"}
    options |= {"--captions": "captions"}
    found = [option for option, name in options.items() if given[name] is not None]
    found += ["--set"] if settings else []
    found += ["--schedule"] if cron != SCHEDULE else []
    if found:
        raise UsageError(f"SOURCE must be given with {found[0]}, such as ~/photos -k 20")


def _say(running: Service, nightly: Nightly | None) -> None:
    lines = [("Prefect's page", running.page), ("reports", running.reports)]
    if nightly:
        count = nightly.parameters.get("n_clusters", "as many as suit")
        what = f"{nightly.parameters['source']}, {count} clusters"
        lines.append(("schedule", f"{nightly.cron} ({nightly.zone}): {what}"))
    lines.append(("logs", f"{running.folder}/server.log and worker.log"))
    for name, value in lines:
        sys.stdout.write(f"{name:15} {value}\n")
    sys.stdout.write("Ctrl-C ends it all.\n")
    sys.stdout.flush()

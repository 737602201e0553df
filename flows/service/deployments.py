"""The deployments of `sortal up`, registered with its server."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sortal.configs.errors import UsageError

POOL = "sortal"
_NIGHTLY, _ON_DEMAND = "nightly", "on-demand"
_CLEANING = "30 5 * * 0"  # Sundays


class Nightly(NamedTuple):
    """A run on a schedule: the flat parameters of the flow, and when (cron, in a time zone)."""

    parameters: Mapping[str, Any]
    cron: str
    zone: str


def check_cron(cron: str) -> str:
    """`cron`; raises UsageError where it is no schedule."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        return CronSchedule(cron=cron).cron
    except ValueError:
        raise UsageError(
            f"a schedule must be a cron line such as '15 2 * * *' (02:15 every night), got {cron!r}"
        ) from None


def local_zone() -> str:
    """The name of this machine's time zone; UTC where it says none."""
    linked = Path("/etc/localtime").resolve().as_posix().partition("zoneinfo/")[2]
    for name in filter(None, (os.environ.get("TZ", "").lstrip(":"), linked)):
        with suppress(ValueError, OSError, KeyError):
            return ZoneInfo(name).key
    return "UTC"


def register(server: str, workspace: Path, nightly: Nightly | None) -> None:
    """Register what may be run on demand, maintenance, and the nightly run where one is given.

    A nightly run of an earlier time stays as it is where none is given.
    """
    from sortal.flows import deployed

    place = {"workspace": str(workspace)}
    with _client(server) as client:
        _make_pool(client)
        _end_interrupted(client)
        cleaning = Nightly(place, _CLEANING, local_zone())
        _deploy(client, deployed.maintain, "maintenance", place, cleaning)
        _deploy(client, deployed.recluster, _ON_DEMAND, nightly.parameters if nightly else place)
        if nightly:
            _deploy(client, deployed.recluster, _NIGHTLY, nightly.parameters, nightly)


def run_now(server: str) -> None:
    """Have the nightly run begin now."""
    with _client(server) as client:
        found = client.read_deployment_by_name(f"recluster/{_NIGHTLY}")
        client.create_flow_run_from_deployment(found.id)


@contextmanager
def _client(server: str) -> Iterator[Any]:
    """A client of this server, whatever one Prefect's settings name."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(server) as client:
        yield client


def _make_pool(client: Any) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template)
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(pool)


def _end_interrupted(client: Any) -> None:
    """Runs that were going on when the service ended: the server would show them for ever."""
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    active = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    those = FlowRunFilter.model_validate({"state": {"type": {"any_": active}}})
    state: Any = Crashed(message="`sortal up` ended during it; the next run goes on from there.")
    for run in client.read_flow_runs(flow_run_filter=those):
        client.set_flow_run_state(run.id, state, force=True)


def _deploy(
    client: Any, flow: Any, name: str, given: Mapping[str, Any], when: Nightly | None = None
) -> None:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.utilities.callables import parameter_schema

    schedules = []
    if when:
        cron = CronSchedule(cron=when.cron, timezone=when.zone)
        schedules.append(DeploymentScheduleCreate(schedule=cron))
    here = {"prefect.deployments.steps.set_working_directory": {"directory": str(Path.cwd())}}
    client.create_deployment(
        client.create_flow(flow),
        name,
        entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
        description=(flow.fn.__doc__ or "").partition("\n")[0],
        parameters=dict(given),
        parameter_openapi_schema=parameter_schema(flow).model_dump(),
        enforce_parameter_schema=True,
        schedules=schedules,
        work_pool_name=POOL,
        pull_steps=[here],
        tags=["sortal"],
    )

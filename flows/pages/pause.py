"""A run that is paused in Prefect waits before its next step; one that is suspended has ended.

Prefect itself ends suspended runs, which go on from finished steps when they are resumed, but lets
those that are only paused go on.
"""

import logging
import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort

from sortal.tasks.published_progress import has_pages

log = logging.getLogger("sortal")
_ASK = 2.0  # seconds between two questions while it is paused
_FRESH = 5.0  # seconds that an answer is good for: most steps are shorter
_asked = float("-inf")


def wait_while_paused() -> None:
    """Return once the run of this flow is not paused; raises Abort where it was ended meanwhile."""
    global _asked  # noqa: PLW0603 - a process is one run
    if time.monotonic() - _asked < _FRESH:
        return
    said = False
    while (state := _state()) is not None and _is_held(state):
        if not said:
            log.info("paused: waiting until the run is resumed or cancelled")
        said = True
        time.sleep(_ASK)
    _asked = time.monotonic()
    if said and state is not None and state.is_final():
        raise Abort(f"the run was ended while it was paused: {state.name}")
    if said:
        log.info("resumed")


def _is_held(state: State) -> bool:
    return state.is_paused() and not state.state_details.pause_reschedule


def _state() -> State | None:
    """The run's state on a server that stays; None where there is none, or it does not answer."""
    context = FlowRunContext.get()
    if not context or not context.flow_run or not has_pages():
        return None
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(context.flow_run.id).state
    except Exception as error:
        log.debug("whether the run is paused is not known: %s", error)
        return None

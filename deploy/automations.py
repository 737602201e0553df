"""Automations of a Prefect server that tell when runs of Sortal need a person.

`python deploy/automations.py --webhook URL` makes them, or brings those of these names up to date
(PREFECT_API_URL names the server). A call is a POST of JSON: `text`, which is what Slack and
Mattermost show, `subject`, `event` and `run`. For e-mail, point it at deploy/mail.py.
"""

import argparse
from datetime import timedelta

import httpx
from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import PREFECT_API_URL

BLOCK = "sortal-alerts"
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.sortal"}
_WAITING = ("Scheduled", "Late", "AwaitingConcurrencySlot")
_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "Paused", "Suspended", "AwaitingRetry")


def _call(block_id: str, subject: str, about: str, run: str = '""') -> CallWebhook:
    """A POST of a few words; `about` and `run` are expressions that Prefect's templates fill in."""
    parts = {
        "subject": f'"{subject}"',
        "text": about,
        "event": "event.event or 'sortal.nothing-new'",
        "run": run,
    }
    filled = ", ".join(f'"{name}": {{{{ ({value}) | tojson }}}}' for name, value in parts.items())
    return CallWebhook(block_document_id=block_id, payload=f"{{{filled}}}")


def _call_of_a_run(block_id: str, subject: str) -> CallWebhook:
    state = "flow_run.state_name ~ ', ' ~ (flow_run.state.message or '')"
    about = f"'{subject}: ' ~ flow_run.name ~ ': ' ~ {state} ~ ' ' ~ (flow_run | ui_url or '')"
    return _call(block_id, subject, about, "flow_run.name")


def _of_runs(name: str, states: set[str], about: str, actions: list[ActionTypes]) -> AutomationCore:
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in states},
        match=_RUNS,
        match_related=_OURS,
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
    )
    return AutomationCore(
        name=f"sortal: {name}", description=about, trigger=trigger, actions=actions
    )


def _of_silence(after: set[str], expect: set[str], seconds: float) -> EventTrigger:
    """A run in one of the states `after` shows none of `expect` for so long."""
    return EventTrigger(
        after={f"prefect.flow-run.{name}" for name in after},
        expect={f"prefect.flow-run.{name}" for name in expect},
        match=_RUNS,
        match_related=_OURS,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=seconds),
    )


def of_dead_workers(silent: float, starting: float) -> list[AutomationCore]:
    """What becomes of the runs that a dead worker had: begun ones crash, others are due again."""
    begun = _of_silence({"heartbeat"}, {"heartbeat", *_ENDS}, silent)
    submitted = _of_silence({"Pending", "Submitting"}, {"Running", *_WAITING, *_ENDS}, starting)
    message = "its worker is gone"
    return [
        AutomationCore(
            name="sortal: dead worker",
            description="A run that shows no sign of life is set to Crashed: its worker is gone.",
            trigger=begun,
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
        ),
        AutomationCore(
            name="sortal: never started",
            description="A run that a worker took and never began is due again.",
            trigger=submitted,
            actions=[ChangeFlowRunState(state=StateType.SCHEDULED, message=message)],
        ),
    ]


def automations(block_id: str, limits: argparse.Namespace) -> list[AutomationCore]:
    """The automations: failed, crashed, late, two of dead workers, nothing new.

    Of `limits`: `silent`, seconds without a heartbeat after which a run counts as dead, more than
    twice the worker's PREFECT_FLOWS_HEARTBEAT_FREQUENCY; `starting`, seconds that a run may take
    from a worker's taking it to its beginning; `quiet_days`, days without anything new.
    """
    quiet_days = limits.quiet_days
    nothing = f"Sortal: nothing new for {quiet_days:g} days"
    quiet = AutomationCore(
        name="sortal: nothing new",
        description=f"No run has published anything new for {quiet_days:g} days.",
        trigger=EventTrigger(
            expect={"sortal.run.published"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(days=quiet_days),
        ),
        actions=[_call(block_id, nothing, f"'{nothing}'")],
    )
    words = ("failed", "crashed", "late")
    told = {word: [_call_of_a_run(block_id, f"Sortal: run {word}")] for word in words}
    return [
        _of_runs("failed", {"Failed"}, "A run failed.", told["failed"]),
        _of_runs("crashed", {"Crashed"}, "A run or its worker died.", told["crashed"]),
        *of_dead_workers(limits.silent, limits.starting),
        _of_runs("late", {"Late"}, "No worker has taken a run in time.", told["late"]),
        quiet,
    ]


def make(url: str, limits: argparse.Namespace) -> list[str]:
    """Save the webhook's block and the automations; returns their names."""
    block = Webhook(url=url, headers={"Content-Type": "application/json"})
    block_id = block.save(BLOCK, overwrite=True)
    names = []
    for wanted in automations(str(block_id), limits):
        fields = wanted.model_dump()
        try:
            old = Automation.read(name=wanted.name)
        except ValueError:
            Automation(**fields).create()
        else:
            Automation(**{**fields, "id": old.id}).update()
        names.append(wanted.name)
    return names


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhook", required=True, metavar="URL", help="where to POST")
    parser.add_argument("--silent", type=float, default=150, help="seconds; default 150")
    parser.add_argument("--starting", type=float, default=600, help="seconds; default 600")
    parser.add_argument("--quiet-days", type=float, default=7, help="default 7")
    options = parser.parse_args()
    server = PREFECT_API_URL.value()
    if not server:
        parser.error("PREFECT_API_URL must name the server, such as http://127.0.0.1:4200/api")
    try:
        print(*make(options.webhook, options), sep="\n")
    except httpx.TransportError as error:
        parser.exit(1, f"PREFECT_API_URL must name a server that answers, got {server}: {error}\n")


if __name__ == "__main__":
    main()

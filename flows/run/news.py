"""News for Prefect's automations: an event for every run that published something new."""

from datetime import datetime

from prefect.context import FlowRunContext
from prefect.events import emit_event

PUBLISHED = "sortal.run.published"


def tell_of_news(run_id: str, collection: str, started_at: datetime) -> None:
    """Emit PUBLISHED, unless the run found everything as an earlier one had left it.

    A run that publishes nothing new has the id of that earlier one, and so its beginning.
    """
    if FlowRunContext.get() and run_id.startswith(f"{started_at:%Y%m%d-%H%M%S}"):
        resource = {"prefect.resource.id": f"sortal.collection.{collection}"}
        emit_event(event=PUBLISHED, resource=resource, payload={"run_id": run_id})

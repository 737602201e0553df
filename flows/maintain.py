"""The maintenance flow: `sortal maintain` under Prefect, for the deployment `maintenance`."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext

from sortal.configs.maintenance import MaintenanceConfig
from sortal.flows.operations.maintenance import Item, tend


@flow(name="maintain")
def maintain(config: MaintenanceConfig) -> list[Item]:
    """Compact and clean the workspace beside whatever runs; see `operations.maintenance.tend`."""
    items = tend(config)
    if FlowRunContext.get():
        create_markdown_artifact(
            key="maintenance", markdown=_markdown(items), description=str(config.workspace)
        )
    return items


def _markdown(items: list[Item]) -> str:
    rows = [f"| {item.what} | {item.count:,} | {item.bytes / 1e6:,.1f} |" for item in items]
    return "\n".join(["| what | count | MB |", "|---|---:|---:|", *rows])

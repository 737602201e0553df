"""The maintenance flow: `sortal maintain` under Prefect, for the deployment `maintenance`."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext

from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.flows.operations import maintenance
from sortal.flows.operations.maintenance import Item


@flow(name="maintain")
def maintain(config: MaintenanceConfig) -> list[Item]:
    """Compact and clean the workspace, also while runs go on; see `operations.maintenance`."""
    items = maintenance.maintain(config)
    if FlowRunContext.get():
        create_markdown_artifact(
            key="maintenance", markdown=_markdown(items), description=str(config.workspace)
        )
    return items


def _markdown(items: list[Item]) -> str:
    rows = [f"| {item.what} | {item.count:,} | {item.bytes / 1e6:,.1f} |" for item in items]
    return "\n".join(["| what | count | MB |", "|---|---:|---:|", *rows])

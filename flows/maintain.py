"""The maintenance flow: `sortal maintain` under Prefect, for the deployment `maintenance`."""

from prefect import flow

from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.flows.operations import maintenance
from sortal.flows.operations.maintenance import Item
from sortal.flows.pages.artifacts import post_table


@flow(name="maintain")
def maintain(config: MaintenanceConfig) -> list[Item]:
    """Compact and clean the workspace, also while runs go on; see `operations.maintenance`."""
    items = maintenance.maintain(config)
    rows = [
        {"what": item.what, "count": item.count, "MB": round(item.bytes / 1e6, 1)} for item in items
    ]
    post_table("maintenance", "", rows, str(config.workspace))
    return items

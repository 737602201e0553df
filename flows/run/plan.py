"""What a run would do: `--dry-run` checks everything that can be checked without doing it."""

from typing import Any

from sortal.configs.schema import RunConfig
from sortal.flows.run.check import check, check_size
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.images import count_missing
from sortal.tasks.scan.step import scan


def plan_of(config: RunConfig) -> dict[str, Any]:
    """Scan the source and describe the run; writes nothing but the scan itself."""
    workspace = Workspace(config.workspace).create()
    encoder = check(config)
    found = scan(workspace, source=config.source, config=config.images)
    check_size(config, found, config.source)
    return {
        "collection": config.collection_name,
        "images": {k: v for k, v in found.facts.items() if k.startswith("n_")},
        "images_to_embed": count_missing(workspace, found, encoder.fingerprint),
        "encoder": {"spec": encoder.spec, "dim": encoder.dim, "fingerprint": encoder.fingerprint},
        "config": config.model_dump(mode="json"),
    }

"""Images that are scanned and embedded, as a run's first two steps do it."""

from pathlib import Path

from image_files import CONFIG, run
from sortal.configs.encoder import EncoderConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe


def embed(workspace: Workspace, source: Path, config: EncoderConfig) -> Artifact:
    """Scan a source and embed its images."""
    return embed_images(
        workspace,
        scan=run(workspace, source),
        source=str(source),
        images=CONFIG,
        encoder=config,
        encoder_fingerprint=describe(config.spec).fingerprint,
    )

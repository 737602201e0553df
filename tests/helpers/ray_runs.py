"""What tests on a Ray cluster run: images that become vectors, on one machine or on its nodes."""

from image_files import CONFIG, run
from sortal.configs.executor import ExecutorSpec, RayConfig
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe
from sortal.tasks.executor.ray_executor import RayExecutor

N_IMAGES = 240


def embed(workspace, folder, encoder):
    source = folder / "in"
    return embed_images(
        workspace,
        scan=run(workspace, source),
        source=str(source),
        images=CONFIG,
        encoder=encoder,
        encoder_fingerprint=describe(encoder.spec).fingerprint,
    )


def on(cluster, workspace: Workspace, **settings) -> RayExecutor:
    spec = ExecutorSpec.parse(cluster.address)
    return RayExecutor(spec, RayConfig(**settings), workspace)


def shards(workspace, encoder):
    store = VectorStore.of(workspace, describe(encoder.spec).fingerprint, "images")
    return {path: path.stat().st_mtime_ns for path in store.shards()}

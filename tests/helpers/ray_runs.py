"""What tests on a Ray cluster have in common: an executor, and the shards that it has made."""

from sortal.configs.executor import ExecutorSpec, RayConfig
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.registry import describe
from sortal.tasks.executor.ray_executor import RayExecutor

N_IMAGES = 240


def on(cluster, workspace: Workspace, **settings) -> RayExecutor:
    spec = ExecutorSpec.parse(cluster.address)
    return RayExecutor(spec, RayConfig(**settings), workspace)


def shards(workspace, encoder):
    store = VectorStore.of(workspace, describe(encoder.spec).fingerprint, "images")
    return {path: path.stat().st_mtime_ns for path in store.shards()}

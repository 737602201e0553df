"""Where the work of a run is done: on this machine or on a Ray cluster; and how a GPU computes."""

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator

from sortal.configs.errors import UsageError
from sortal.configs.section import Runtime, Section

LOCAL, RAY = "local", "ray"
# Numbers that a GPU multiplies, whose products are summed in float32. What the others cost is in
# docs/performance.md#on-a-gpu. On a CPU it is float32, whatever is said.
Products = Literal["float32", "tf32", "bfloat16"]
# Numbers of a network on a GPU. auto: float16, which rounds an eighth as much as bfloat16.
Forward = Literal["auto", "float32", "float16", "bfloat16"]

_CLIENT = "ray://"
_ADDRESS = re.compile(r"(ray://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})")


class ExecutorSpec(NamedTuple):
    """A parsed executor: `local`, `ray` (a cluster on this machine alone), or an address.

    `address` is as Ray takes it, None for `local`; `host` and `port` are there for an address.
    """

    address: str | None
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> "ExecutorSpec":
        """The executor that `text` names; raises UsageError for anything else."""
        if text in (LOCAL, RAY):
            return cls(None if text == LOCAL else LOCAL)
        found = _ADDRESS.fullmatch(text)
        if not found or not 0 < int(found[3]) < 65536:
            raise UsageError(
                f"executor must be local, ray, ray://HOST:10001 or HOST:6379, got {text!r}"
            )
        return cls(text, found[2].strip("[]"), int(found[3]))

    @property
    def is_client(self) -> bool:
        """Whether the cluster is reached through Ray's client, from a machine outside it."""
        return str(self.address).startswith(_CLIENT)


def _checked(text: str) -> str:
    ExecutorSpec.parse(text)
    return text


ExecutorName = Annotated[str, AfterValidator(_checked)]


class RayConfig(Section):
    """Workers of a Ray cluster, where the executor is one."""

    workers: int | None = Runtime(None, ge=1)  # None: as many as the cluster has room for
    cpus: float = Runtime(1.0, gt=0.0)  # of a worker, and so its threads
    gpus: float = Runtime(0.0, ge=0.0)  # of a worker that embeds or holds vectors, such as 1 or 0.5
    decoders: int = Runtime(1, ge=1, le=64)  # threads that decode ahead of a GPU
    attempts: int = Runtime(3, ge=1)  # how often a shard is begun whose workers are lost
    folder: str | None = Runtime(None)  # of a node without the workspace; None: a temporary one
    patience_seconds: float = Runtime(60.0, gt=0.0)  # without any worker, or an answer of a node
    spread_rows: int = Runtime(50_000, ge=0)  # steps on fewer vectors are done by the run itself

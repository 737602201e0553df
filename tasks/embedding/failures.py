"""Images that hold no picture: remembered by content, so that none is decoded twice in vain."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import PIL
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.schema import ImagesConfig
from sortal.storage.atomic import atomic_file
from sortal.storage.hashing import fingerprint
from sortal.storage.workspace import Workspace
from sortal.tasks.errors import Failure
from sortal.tasks.pictures.extra import READING, installed

FAILURES = pa.schema({"key": pa.string(), "error_code": pa.string(), "error": pa.string()})


def failure_table(failures: Iterable[Failure]) -> pa.Table:
    """Columns key, error_code, error."""
    rows = [{"key": f.key, "error_code": f.error_code, "error": f.error} for f in failures]
    return pa.Table.from_pylist(rows, schema=FAILURES)


class KnownFailures:
    """Failures by key. The lasting ones are kept in one file of the workspace.

    The file's name holds what decides whether an image decodes: the limits, and what decodes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Failure] = {}
        with suppress(OSError, ValueError, TypeError):  # none yet, or damaged: tried again
            rows = pq.read_table(path).to_pylist()
            self._found = {row["key"]: Failure(**row, lasting=True) for row in rows}

    @classmethod
    def of(cls, workspace: Workspace, config: ImagesConfig) -> "KnownFailures":
        """What a workspace knows under the limits of `config`."""
        limits = fingerprint(
            config.max_pixels, config.max_bytes, PIL.__version__, READING, installed()
        )
        return cls(workspace.vectors / f"failures-{limits[:16]}.parquet")

    @property
    def keys(self) -> pa.Array:
        """The keys of all of them."""
        return pa.array(self._found, pa.string())

    def among(self, keys: pa.Array) -> dict[str, Failure]:
        """The failures among `keys`, in that order."""
        found = keys.filter(pc.is_in(keys, value_set=self.keys)).to_pylist()
        return {key: self._found[key] for key in found}

    def add(self, failures: Sequence[Failure]) -> None:
        """Note failures, and write the lasting ones down; those that are noted already are not."""
        failures = [each for each in failures if self._found.get(each.key) != each]
        if not failures:
            return
        self._found.update({failure.key: failure for failure in failures})
        lasting = [failure for failure in self._found.values() if failure.lasting]
        with atomic_file(self._path) as temporary:
            pq.write_table(failure_table(lasting), temporary)

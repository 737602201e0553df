"""Which images of a scan can be read, and how they are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.schema import ImagesConfig


@dataclass(frozen=True)
class ImageFiles:
    """Images of a source to be read: a table (key, path, offset, bytes), a row an image."""

    table: pa.Table
    source: str
    reading: ImagesConfig

    @property
    def keys(self) -> list[str]:
        """Their keys, in order."""
        found: list[str] = self.table["key"].to_pylist()
        return found


def readable_images(scan: Path) -> pa.Table:
    """Columns key, path, offset, bytes of the readable images; of equal files the first listed."""
    table = pq.read_table(scan, columns=["key", "path", "offset", "bytes", "status"])
    table = table.filter(pc.and_(pc.equal(table["status"], "ok"), pc.is_valid(table["key"])))
    numbered = table.append_column("row", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by("key").aggregate([("row", "min")])["row_min"]
    return table.drop_columns(["status"]).take(np.sort(first.to_numpy()))

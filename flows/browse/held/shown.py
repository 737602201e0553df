"""What a list shows of each image of a run, in memory: a few of a million are found in 20 ms.

The lake's files are in the order of the scan, so that each look-up there would read all keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sortal.flows.operations.find import Hit


@dataclass(frozen=True)
class Shown:
    """A row a file: key, path, label, cluster; about 80 MB for a million files."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> "Shown":
        """Over the rows of `browse/shown.sql`."""
        place = table.schema.get_field_index("label")
        return cls(table.set_column(place, "label", table["label"].dictionary_encode()))

    def rows(self, hits: Sequence[Hit], kinds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """key, score, path, label, cluster_id and name of each, in their order.

        Of several files of one content the first path counts. `kinds` are the run's cards.
        """
        wanted = pa.array([hit.key for hit in hits], pa.string())
        here = pc.is_in(self.table["key"], value_set=wanted).to_numpy()
        found: dict[str, dict[str, Any]] = {}
        for row in self.table.take(pa.array(np.flatnonzero(here))).to_pylist():
            held = found.setdefault(row["key"], row)
            if row["path"] is not None and (held["path"] is None or row["path"] < held["path"]):
                found[row["key"]] = row
        named = {card["cluster"]: card for card in kinds}
        nothing = {"path": None, "label": None, "cluster": None}
        return [
            {**found.get(hit.key, nothing), "key": hit.key, "score": hit.score, **_kind(named, row)}
            for hit in hits
            for row in (found.get(hit.key, nothing),)
        ]


def _kind(named: dict[int, dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    card = named.get(row["cluster"], {})
    return {"cluster_id": card.get("cluster_id"), "name": card.get("name")}

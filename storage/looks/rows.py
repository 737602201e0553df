"""What was made for looking, in the lake: rows of a scan, and which result they are of."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sortal.storage.artifacts import Artifact
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select, sql

TABLES = {  # step -> its table, and the file of its artifact; an index has none
    "thumbnails": ("looks", "looks.parquet"),
    "quality_flags": ("quality_flags", "flags.parquet"),
    "duplicates": ("near_duplicates", "groups.parquet"),
    "map": ("map_points", "points.parquet"),
}
_OF_ENCODER = ("duplicates", "map")


class Place(NamedTuple):
    """Whose pictures: a scan of a collection, under an encoder."""

    scan: str
    collection: str
    encoder: str


def known(lake: Lake, place: Place, step: str, settings: str) -> list[tuple[str, str]]:
    """(scan, fingerprint) of the results of a step for this collection, the newest first."""
    values = {"collection": place.collection, "encoder": place.encoder}
    rows = lake.execute(sql("looks/known"), {**values, "step": step, "settings": settings})
    return [(str(scan), str(key)) for scan, key in rows.fetchall()]


def record(
    lake: Lake, place: Place, step: str, settings: str, artifact: Artifact, folder: Path
) -> None:
    """Write the rows of a result in place of those of an earlier one, in one transaction."""
    of_place: dict[str, Any] = dict(place._asdict())
    row = {
        **{"scan": place.scan, "collection": place.collection},
        **{"encoder_fingerprint": place.encoder, "step": step, "settings": settings},
        **{"fingerprint": artifact.fingerprint, "identity": artifact.identity},
        **{"n_rows": artifact.rows, "seconds": artifact.facts["cost"]["seconds"]},
        "made_at": datetime.now(UTC).replace(tzinfo=None),
    }

    def work() -> None:
        lake.mark()
        lake.execute(sql("looks/stale"), {**of_place, "step": step})
        if step in TABLES:
            table, file = TABLES[step]
            _replace(lake, place, table, str(folder / file), step in _OF_ENCODER)
        names = ", ".join(f"${name} AS {name}" for name in row)
        lake.append("looked", Select(f"SELECT {names}", row))

    lake.transact(work)


def _replace(lake: Lake, place: Place, table: str, file: str, of_encoder: bool) -> None:
    values = {"scan": place.scan, "collection": place.collection}
    columns = "$scan AS scan, $collection AS collection"
    where = "scan = $scan AND collection = $collection"
    if of_encoder:
        values["encoder"] = place.encoder
        columns += ", $encoder AS encoder_fingerprint"
        where += " AND encoder_fingerprint = $encoder"
    lake.execute(f"DELETE FROM {table} WHERE {where}", values)
    rows = f"SELECT {columns}, * FROM read_parquet($file)"
    lake.append(table, Select(rows, {**values, "file": file}))

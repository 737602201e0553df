"""Exports in shards that hold the pictures' bytes: WebDataset's tars, Hugging Face's Parquet."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.flows.operations.export.folders import MANIFEST, Placed, write_manifest
from sortal.flows.operations.export.pictures import Pictures
from sortal.flows.operations.export.selection import Selection
from sortal.storage.atomic import atomic_file
from sortal.tasks.errors import ImageError
from sortal.tasks.progress import progress

_SHARD = 1000  # pictures
Sample = tuple[dict[str, Any], bytes]


def export_shards(selection: Selection, to: Path, form: str) -> Placed:
    """Write the shards that are not there yet; each appears whole, in the order of the rows.

    Pictures that cannot be read are in no shard; the manifest says why. A shard that is there
    already is not read again.
    """
    pictures, placed = Pictures(selection), Placed()
    rows = selection.rows.to_pylist()
    number_of = {id_: n for n, (id_, _) in enumerate(selection.kinds)}
    parts = [rows[start : start + _SHARD] for start in range(0, len(rows), _SHARD)]
    written: list[dict[str, Any]] = []
    with progress("exporting", len(rows), unit="images") as advance:
        for number, part in enumerate(parts):
            file = to / _NAME[form].format(number, len(parts))
            written += [{**row, "target": file.relative_to(to).as_posix()} for row in part]
            if file.exists():
                placed.counts["already there"] += len(part)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                samples = _samples(pictures, part, placed)
                with atomic_file(file) as fresh:
                    _WRITE[form](fresh, samples, number_of, selection)
            advance(len(part))
    write_manifest(to / MANIFEST, written, dict(placed.failed))
    if form == "hf":
        with atomic_file(to / "README.md") as fresh:
            fresh.write_text(_card(selection), encoding="utf-8")
    return placed


def _samples(pictures: Pictures, rows: list[dict[str, Any]], placed: Placed) -> Iterator[Sample]:
    for row in rows:
        try:
            data = pictures.read(row)
        except ImageError as error:
            placed.counts["failed"] += 1
            placed.failed.append((row["path"], error.code.value))
            continue
        placed.counts["copied"] += 1
        yield row, data


def _suffix(row: dict[str, Any]) -> str:
    """The ending of a picture's format: what WebDataset's decoders go by."""
    name: str = (row["format"] or "bin").lower()
    return {"jpeg": "jpg", "mpo": "jpg"}.get(name, name)


def _write_tar(
    file: Path, samples: Iterator[Sample], number_of: dict[int, int], _: Selection
) -> None:
    """A sample is KEY.jpg (its bytes), KEY.cls (the kind's number), KEY.json (what is known)."""
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for place, (row, data) in enumerate(samples):
            key = f"{row['key']}-{place:04}"
            said = {name: value for name, value in row.items() if name != "offset"}
            parts = {
                _suffix(row): data,
                "cls": str(number_of[row["cluster_id"]]).encode(),
                "json": json.dumps(said, ensure_ascii=False, default=str).encode(),
            }
            for suffix, content in parts.items():
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def _features(selection: Selection) -> dict[str, Any]:
    return {
        "image": {"_type": "Image"},
        "label": {"names": [name for _, name in selection.kinds], "_type": "ClassLabel"},
        "kind_id": {"dtype": "int64", "_type": "Value"},
        "path": {"dtype": "string", "_type": "Value"},
        "key": {"dtype": "string", "_type": "Value"},
    }


def _write_parquet(
    file: Path, samples: Iterator[Sample], number_of: dict[int, int], selection: Selection
) -> None:
    """Rows as the library `datasets` reads them: image {bytes, path}, label a ClassLabel."""
    known = {"info": {"features": _features(selection)}}
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.int64()),
            ("kind_id", pa.int64()),
            ("path", pa.string()),
            ("key", pa.string()),
        ],
        metadata={"huggingface": json.dumps(known)},
    )
    rows = [
        {
            "image": {"bytes": data, "path": row["path"].rpartition("/")[2]},
            "label": number_of[row["cluster_id"]],
            "kind_id": row["cluster_id"],
            "path": row["path"],
            "key": row["key"],
        }
        for row, data in samples
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, row_group_size=100)


def _card(selection: Selection) -> str:
    """The card of a dataset, by which `load_dataset` finds its files."""
    row = selection.run.row
    configs = "configs:\n- config_name: default\n  data_files:\n  - split: train\n"
    head = f"---\n{configs}    path: data/train-*.parquet\n---\n"
    kinds = "\n".join(f"- {name} ({id_})" for id_, name in selection.kinds)
    return (
        f"{head}# {row['collection']}\n\nThe kinds of run {row['run_id']} ({row['method']}, "
        f"{row['encoder']}), by name and stable id:\n\n{kinds}\n"
    )


_NAME = {"webdataset": "shard-{:06}.tar", "hf": "data/train-{:05}-of-{:05}.parquet"}
_WRITE: dict[str, Callable[[Path, Iterator[Sample], dict[int, int], Selection], None]] = {
    "webdataset": _write_tar,
    "hf": _write_parquet,
}

"""A run over drawn pictures whose vectors are made up: everything that looking at it needs."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select, sql
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.failures import failure_table
from sortal.tasks.embedding.images import image_store
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe
from sortal.tasks.publishing.rows import places_of
from sortal.tasks.scan.step import scan

READING = ImagesConfig(num_workers=1)
DIM = 384


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture of soft blobs and hard edges, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    for _ in range(6):
        x, y = rng.integers(0, size[0] - 40), rng.integers(0, size[1] - 30)
        picture.paste(tuple(rng.integers(0, 255, 3).tolist()), (x, y, x + 30, y + 22))
    return picture


def copies(picture: Image.Image) -> dict[str, Image.Image]:
    """What people do to pictures, by name."""
    width, height = picture.size
    marked = picture.copy()
    marked.paste((250, 250, 250), (width // 3, height - 12, width - 4, height - 4))
    return {
        "resized": picture.resize((width // 2, height // 2), Image.Resampling.LANCZOS),
        "cropped": picture.crop((width // 20, 0, width, height - height // 20)),
        "flipped": ImageOps.mirror(picture),
        "marked": marked,
    }


def publish(workspace: Workspace, folder: Path, run_id: str, vectors: dict[str, int]) -> str:
    """A run over the pictures of `folder`, in two kinds; `vectors` seed each file's vector."""
    info = describe("conse")
    found = scan(workspace, source=str(folder), config=READING)
    file = found.file(workspace, "images.parquet")
    table = pq.read_table(file, columns=["path", "key", "status"])
    rows = [row for row in table.to_pylist() if row["status"] == "ok"]
    store = image_store(workspace, info.fingerprint)
    seeds = {row["key"]: vectors[row["path"]] for row in rows}
    missing = store.missing(list(seeds)).to_pylist()
    if missing:
        made = [np.random.default_rng(seeds[key]).standard_normal(DIM) for key in missing]
        store.add(missing, np.stack(made) / np.linalg.norm(made, axis=1, keepdims=True))
    embedded = embed_images(
        workspace, scan=found, source=str(folder), images=READING, encoder=EncoderConfig(),
        encoder_fingerprint=info.fingerprint,
    )  # fmt: skip
    nothing = workspace.root / "failures.parquet"
    pq.write_table(failure_table([]), nothing)
    keys = list(seeds)
    now = datetime(2026, 1, 1, 0, 0, int(run_id[-1]))
    row = {
        "run_id": run_id, "fingerprint": run_id, "collection": folder.name, "scan": found.identity,
        "source": str(folder), "method": "cae", "encoder": "conse",
        "encoder_fingerprint": info.fingerprint, "n_clusters": 2, "n_images": len(keys),
        "n_failed": 0, "random_state": 0, "started_at": now, "finished_at": now, "seconds": 1.0,
        "config": json.dumps({"source": str(folder), "n_clusters": 2}), "wall_seconds": 1.0,
        "sortal_version": "0", "labels_used": False, "protocol": "whole", "series": "s",
    }  # fmt: skip
    files = {"images": str(file), "undecodable": str(nothing)}
    place = {"scan": found.identity, "collection": folder.name}
    cluster = pa.array([seeds[key] % 2 for key in keys], pa.int32())
    one = [run_id] * len(keys)
    tables = {
        "images": Select(sql("commit/images"), place | files),
        "failures": Select(sql("commit/failures"), place | files),
        "assignments": pa.table({"run_id": one, "key": keys, "cluster": cluster,
                                 "distance": [seeds[key] / 10 for key in keys]}),
        "clusters": pa.table({"run_id": [run_id] * 2, "cluster": pa.array([0, 1], pa.int32()),
                              "name": ["even: a/b", "odd"], "stable_id": [10, 11],
                              "size": [cluster.to_pylist().count(kind) for kind in (0, 1)],
                              "representatives": [[key for key in keys if seeds[key] % 2 == kind]
                                                  for kind in (0, 1)]}),
        "artifacts": places_of(row, {"scan": found, "image_vectors": embedded}),
    }  # fmt: skip
    with Lake(workspace) as lake:
        lake.publish(row, tables)
        lake.execute("UPDATE collections SET place = source")
    return run_id

"""A run in a lake over real image files, for its report."""

import io
import json
from datetime import datetime

import numpy as np
import pyarrow as pa
from PIL import Image

from sortal.storage.hashing import hash_bytes
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

RUN = "20261123-041200-7f3a"
NASTY = "<script>alert('x')</script> \"it's\" & |pipe|"
TERMS = {"dog": 0.4, "puppy": 0.2}
FIGURES = {
    "acc": 0.5, "nmi": 0.25, "ari": 0.125, "purity": 0.75, "n_labelled": 9,
    "seconds.scan": 1.5, "peak_mb.scan": 300, "seconds.noun.transport": 4,
    "peak_mb.noun.transport": 400,
    "seconds.caption.transport": 3, "peak_mb.caption.transport": 410,
    "noun.transport.n_iter": 41, "noun.transport.converged": 1,
    "noun.transport.marginal_error": 8e-5,
    "caption.transport.n_iter": 500, "caption.transport.converged": 0,
    "caption.transport.marginal_error": 3e-3,
}  # fmt: skip


def make_images(folder, count):
    folder.mkdir()
    keys, rng = [], np.random.default_rng(0)
    for i in range(count):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(out, "PNG")
        (folder / f"{i}.png").write_bytes(out.getvalue())
        keys.append(hash_bytes(out.getvalue()))
    return keys


def make_run(root, n_images=9, n_clusters=3, labelled=True, name="dog", source=None, weights=True):
    """A run in a lake, over images in `root/images`; cluster ids go round."""
    workspace = Workspace(root / "workspace").create()
    keys = make_images(root / "images", n_images)
    cluster = np.arange(n_images) % n_clusters
    members = [[k for k, c in zip(keys, cluster, strict=True) if c == i] for i in range(n_clusters)]
    one = pa.array([RUN] * n_images)
    w = pa.array([0.5 if weights else None] * n_images, pa.float32())
    tables = {
        "images": {
            "scan": ["s"] * n_images, "collection": [NASTY] * n_images,
            "path": [f"{i}.png" for i in range(n_images)], "key": keys,
            "label": pa.array(["x" if labelled else None] * n_images, pa.string()),
            "status": ["ok"] * n_images,
        },
        "failures": {
            "scan": ["s"] * 2, "collection": [NASTY] * 2, "path": ["bad.png", NASTY],
            "error_code": ["truncated"] * 2, "error": ["ends too early"] * 2,
        },
        "assignments": {
            "run_id": one, "key": keys, "cluster": pa.array(cluster, pa.int32()),
            "distance": pa.array(np.linspace(0.1, 0.9, n_images), pa.float32()),
            "w_image": w, "w_noun": w, "w_caption": pa.array([0] * n_images, pa.float32()),
        },
        "clusters": {
            "run_id": [RUN] * n_clusters, "cluster": pa.array(range(n_clusters), pa.int32()),
            "name": [name, *(f"kind {i}" for i in range(1, n_clusters))],
            "size": [len(keys) for keys in members],
            "caption": pa.array(["A dog runs ."] + [None] * (n_clusters - 1), pa.string()),
            "mean_distance": pa.array([0.3] * n_clusters, pa.float32()),
            "representatives": pa.array(members, pa.list_(pa.string())),
        },
        "cluster_terms": {
            "run_id": [RUN] * 2, "cluster": [0, 0], "corpus": ["noun"] * 2, "rank": [1, 2],
            "term": list(TERMS), "mass": list(TERMS.values()), "score": [0.2, 0.1],
        },
        "metrics": {
            "run_id": [RUN] * len(FIGURES), "name": list(FIGURES),
            "value": [float(v) for v in FIGURES.values()],
        },
    }  # fmt: skip
    if not labelled:
        tables["metrics"] = {"run_id": ["another"], "name": ["acc"], "value": [1.0]}
    now = datetime(2026, 11, 23, 4, 12)
    row = {
        "run_id": RUN, "fingerprint": "f", "collection": NASTY, "scan": "s",
        "source": source or str(root / "images"), "method": "cae", "encoder": "conse",
        "encoder_fingerprint": "e", "n_clusters": n_clusters, "n_images": n_images, "n_failed": 2,
        "random_state": 0, "config": json.dumps({"images": {"max_pixels": 10**6}, "n": NASTY}),
        "started_at": now, "finished_at": now, "seconds": 83.0, "sortal_version": "0.1.0",
        "labels_used": False,
        "protocol": "whole",
    }  # fmt: skip
    with Lake(workspace) as lake:
        lake.publish(row, {name: pa.table(table) for name, table in tables.items()})
    return workspace

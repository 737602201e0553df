"""A collection of ready-made vectors that grows: separable kinds, nouns and captions for them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.schema import RunConfig
from sortal.flows.recluster import recluster
from sortal.flows.run.result import RunResult
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

KINDS = ("cat", "dog", "boat", "tree", "frog")
DIM = 24


class Collection:
    """Vectors of KINDS in `root/pets`, clustered in `root/workspace`.

    `alike`: what cats, dogs and frogs have in common, and boats and trees, besides their own.
    """

    def __init__(self, root: Path, seed: int = 0, alike: float = 0.0) -> None:
        self.root = root
        self._rng = np.random.default_rng(seed)
        self._centres = np.eye(DIM, dtype=np.float32)[: len(KINDS)]
        self._centres[[0, 1, 4], -1] = self._centres[[2, 3], -2] = alike
        self.images: dict[str, np.ndarray] = {}
        (root / "pets").mkdir()
        for name, forms in {"nouns": ("", "s"), "captions": (" on a mat",)}.items():
            texts = [f"{kind}{form}" for kind in KINDS for form in forms]
            rows = np.repeat(self._centres, len(forms), axis=0)
            self._write(name, {"text": texts}, rows + self._noise(len(rows), 0.02))

    def _noise(self, count: int, scale: float) -> np.ndarray:
        return scale * self._rng.standard_normal((count, DIM)).astype(np.float32)

    def _write(self, name: str, columns: dict[str, list[str]], vectors: np.ndarray) -> None:
        rows = pa.array(list(vectors.astype(np.float32)), pa.list_(pa.float32()))
        pq.write_table(
            pa.table({**columns, "vector": rows}), self.root / "pets" / f"{name}.parquet"
        )

    def add(self, **counts: int) -> list[str]:
        """Add so many images of each kind; returns their keys."""
        keys = []
        for kind, count in counts.items():
            centre = self._centres[KINDS.index(kind)]
            for vector in centre + self._noise(count, 0.08):
                keys.append(f"{kind}-{len(self.images):05d}")
                self.images[keys[-1]] = vector
        return keys

    def remove(self, kind: str) -> None:
        """Delete every image of a kind."""
        self.images = {k: v for k, v in self.images.items() if not k.startswith(kind)}

    def write_images(self) -> None:
        """Write the collection's file as it is now."""
        self._write("images", {"key": list(self.images)}, np.array(list(self.images.values())))

    def run(self, n_clusters: int | str | None, **settings: object) -> RunResult:
        """Cluster the collection as it is now; without a report, unless `report` is true."""
        self.write_images()
        source = str(self.root / "pets")
        values = {"encoder": {"spec": f"vectors:{source}"}, "source": source, "method": "cae"}
        values |= {"report": False}
        values |= settings
        values |= {"nouns": {"source": "vectors"}, "captions": {"source": "vectors"}}
        config = RunConfig(n_clusters=n_clusters, workspace=self.root / "workspace", **values)
        return recluster.fn(config)

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Rows of the lake."""
        with Lake(Workspace(self.root / "workspace"), read_only=True) as lake:
            return lake.execute(query, list(values)).fetchall()

    def ids(self, run: RunResult) -> dict[str, int]:
        """The stable id of every image of a run."""
        query = "SELECT key, stable_id FROM assignments JOIN cluster_names USING (run_id, cluster)"
        return dict(self.rows(f"{query} WHERE run_id = ?", run.run_id))

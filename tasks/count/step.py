"""The step that finds how many clusters there are: numbers are tried, and one is taken."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.evaluation import CountConfig
from sortal.configs.schema import FusionConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import take_rows
from sortal.storage.vector_sets import open_file_vectors, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre
from sortal.tasks.choose.inputs import Comparable
from sortal.tasks.choose.score import CrossFit
from sortal.tasks.count.curve import CURVE, Point, measured
from sortal.tasks.count.peaks import Picked, pick
from sortal.tasks.evaluation.label_free import draw
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")


@dataclass(frozen=True, kw_only=True)
class CountInputs(Comparable):
    """Inputs of `count_clusters`; `spaces` and `transports` are those that are fused.

    `directions` for each cluster are evened, where the method evens them.
    """

    fusion: FusionConfig
    config: CountConfig
    earlier: Artifact | None = optional()
    directions: int | None = optional()


@step("count", CountInputs)
def count_clusters(folder: Path, workspace: Workspace, inputs: CountInputs) -> Written:
    """Write `curve.parquet`, a row for each number tried: its score, natural, chosen, kept.

    They are measured on a sample of images. The number of `earlier`, the count of the run before,
    is among them and stays while no other is clearly better. Facts: n_clusters, natural (numbers,
    ascending), kept, how many images were looked at.
    """
    rng = np.random.default_rng(inputs.random_state)
    rows, config = open_vectors(workspace, inputs.images), inputs.config
    drawn = draw(rows.shape[0], config.sample, rng)
    sample = take_rows(rows, drawn)
    earlier = counted(workspace, inputs.earlier) if inputs.earlier else None
    tried = config.tried(rows.shape[0])
    if earlier and tried[0] <= earlier <= tried[-1]:
        tried = sorted({*tried, earlier})
    fuser = inputs.fuser(workspace, inputs.fusion)
    further = {
        name: take_rows(open_file_vectors(workspace, part), drawn)
        for name, part in (inputs.modalities or {}).items()
    }
    modalities = fuser.modalities(sample, further)
    known = CrossFit(centre(sample, fuser.mean), config.folds, config.ridge, rng)
    vectors, _ = fuser.fuse(modalities)
    directions = inputs.directions or 0
    points = measured(vectors, known, tried, config, inputs.random_state, directions)
    before = inputs.earlier.facts.get("n_images", 0) if inputs.earlier else 0
    margin = config.margin_of(len(sample), new=max(0.0, 1.0 - before / rows.shape[0]))
    picked = pick(points, config, earlier, margin)
    pq.write_table(table_of(points, picked), folder / CURVE)
    log.info("%s clusters, of %s numbers tried", f"{picked.n_clusters:,}", len(points))
    sizes = {"n_sample": len(sample), "n_images": rows.shape[0]}
    return Written(rows=len(points), facts={**picked._asdict(), **sizes})


def counted(workspace: Workspace, count: Artifact) -> int | None:
    """The number that a count took; None where its file is gone."""
    path = count.file(workspace, CURVE)
    if not path.exists():
        return None
    table = pq.read_table(path, columns=["n_clusters", "chosen"]).to_pydict()
    rows = zip(table["n_clusters"], table["chosen"], strict=True)
    return next((number for number, chosen in rows if chosen), None)


def table_of(points: list[Point], picked: Picked) -> pa.Table:
    """A row for each number tried."""
    counts = [point.n_clusters for point in points]
    taken = [count == picked.n_clusters for count in counts]
    return pa.table(
        {
            "n_clusters": pa.array(counts, pa.int32()),
            **{
                name: pa.array([getattr(point, name) for point in points], pa.float64())
                for name in ("agreement", "predictability", "score", "information", "worth")
            },
            "is_natural": pa.array([count in picked.natural for count in counts], pa.bool_()),
            "chosen": pa.array(taken, pa.bool_()),
            "kept": pa.array([picked.kept and each for each in taken], pa.bool_()),
        }
    )

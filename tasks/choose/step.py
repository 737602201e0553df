"""The step that chooses how images are compared: candidates are scored, and one is taken."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.evaluation import ChooseConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import ArrayRows, FloatArray, take_rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.choose.candidates import WORDS, Candidate
from sortal.tasks.choose.decide import CANDIDATES, Decision, decide
from sortal.tasks.choose.inputs import Comparable
from sortal.tasks.choose.score import CrossFit, Score, fits, score, side_by_side
from sortal.tasks.clustering.kmeans import count_distinct
from sortal.tasks.evaluation.label_free import draw
from sortal.tasks.fusion.evening import fit_evening
from sortal.tasks.fusion.fuser import Fuser
from sortal.tasks.step import optional, step

log = logging.getLogger("sortal")

_ROWS_PER_CLUSTER = 20  # of the sample, at the least


@dataclass(frozen=True, kw_only=True)
class ChooseInputs(Comparable):
    """Inputs of `choose`."""

    candidates: dict[str, Candidate]
    config: ChooseConfig
    n_clusters: int
    earlier: Artifact | None = optional()
    drafted: str | None = optional()


@step("choice", ChooseInputs)
def choose(folder: Path, workspace: Workspace, inputs: ChooseInputs) -> Written:
    """Write `candidates.parquet`, a row each: words, agreement, predictability, chosen, ...

    They are measured on a sample of images, the same for all. `earlier` is the choice of the run
    before, which stays while no other is clearly better; without it the candidate `drafted` does,
    on whose vectors the number of clusters was found. Facts: the `Decision`, and how many images
    were looked at, how often.
    """
    rng = np.random.default_rng(inputs.random_state)
    rows = open_vectors(workspace, inputs.images)
    size = sample_size(inputs.config, inputs.n_clusters)
    sample = take_rows(rows, draw(rows.shape[0], size, rng))
    scores = measured(workspace, inputs, sample, rng)
    earlier = chosen_by(workspace, inputs.earlier) if inputs.earlier else None
    stays = inputs.drafted if earlier is None else earlier
    kinds = {name: each.kind for name, each in inputs.candidates.items()}
    rule = inputs.config
    decision = decide(scores, kinds, rule.certainty, stays, rule.margin)
    decision = decision._replace(kept=decision.kept and earlier is not None)
    pq.write_table(table_of(scores, decision), folder / CANDIDATES)
    log.info("images are compared by %s, of %s tried", WORDS[decision.chosen], len(scores))
    facts = {"n_sample": len(sample), "n_fits": rule.fits(len(sample)), **decision._asdict()}
    facts["measured"] = scores[decision.chosen] is not None
    return Written(rows=len(scores), facts=facts)


def sample_size(config: ChooseConfig, n_clusters: int) -> int:
    """How many images are looked at, at the most."""
    return max(config.sample, _ROWS_PER_CLUSTER * n_clusters)


def chosen_by(workspace: Workspace, choice: Artifact) -> str | None:
    """The candidate that a choice took; None where its file is gone."""
    path = choice.file(workspace, CANDIDATES)
    if not path.exists():
        return None
    table = pq.read_table(path, columns=["candidate", "chosen"]).to_pydict()
    rows = zip(table["candidate"], table["chosen"], strict=True)
    return next((name for name, chosen in rows if chosen), None)


def measured(
    workspace: Workspace, inputs: ChooseInputs, sample: FloatArray, rng: np.random.Generator
) -> dict[str, Score | None]:
    """The score of every candidate on the images `sample` (n, d), by name, in their order."""
    any_rule = next(iter(inputs.candidates.values())).fusion
    fuser = inputs.fuser(workspace, any_rule)
    modalities = fuser.modalities(sample)
    images = CrossFit(modalities["image"], inputs.config.folds, inputs.config.ridge, rng)
    found: dict[str, Score | None] = {}
    count, config, seed = inputs.n_clusters, inputs.config, inputs.random_state
    with side_by_side() as threads:
        for name, candidate in inputs.candidates.items():
            vectors = _fused(fuser, modalities, candidate)
            if count_distinct(vectors, count) < count:
                found[name] = None
                continue
            partitions = fits(vectors, count, config, seed, threads)
            foretold = list(threads.map(lambda each: images.foretold(each, count), partitions))
            found[name] = score(partitions, foretold)
    return found


def _fused(fuser: Fuser, modalities: dict[str, FloatArray], candidate: Candidate) -> FloatArray:
    """Vectors (n, d') of the sample as the candidate fuses them."""
    unfused = tuple(name for name in fuser.spaces if name not in candidate.spaces)
    own = replace(fuser, config=candidate.fusion, unfused=unfused)
    vectors, _ = own.fuse(modalities)
    if not candidate.fusion.evened:
        return vectors
    return fit_evening(ArrayRows(vectors), candidate.fusion.evened)(vectors)


def table_of(scores: dict[str, Score | None], decision: Decision) -> pa.Table:
    """A row a candidate; figures are null where it could not be measured."""
    figures = list(scores.values())
    return pa.table(
        {
            "candidate": pa.array(list(scores), pa.string()),
            "words": pa.array([WORDS[name] for name in scores], pa.string()),
            "agreement": pa.array([f and f.agreement for f in figures], pa.float64()),
            "predictability": pa.array([f and f.predictability for f in figures], pa.float64()),
            "error": pa.array([f and f.error for f in figures], pa.float64()),
            "score": pa.array([f and f.product for f in figures], pa.float64()),
            "chosen": pa.array([name == decision.chosen for name in scores], pa.bool_()),
            "kept": pa.array(
                [decision.kept and name == decision.chosen for name in scores], pa.bool_()
            ),
        }
    )

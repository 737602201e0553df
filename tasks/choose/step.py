"""The steps that choose how images are compared: candidates are scored, and one is taken.

Where that is the image alone, so is the way in which it is clustered.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.evaluation import ChooseConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.rows import ArrayRows, FloatArray, take_rows
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, mean_of
from sortal.tasks.choose.candidates import WORDS, Candidate
from sortal.tasks.choose.decide import CANDIDATES, Decision, decide
from sortal.tasks.choose.inputs import Comparable
from sortal.tasks.choose.score import CrossFit, Score, fits, score, side_by_side
from sortal.tasks.choose.ways import WAYS, best_of, foretold
from sortal.tasks.clustering.assignments import ASSIGNMENTS, labels_of
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
    decision = decide(scores, kinds, rule, stays)
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
    rules = {each.fusion.centred: each.fusion for each in inputs.candidates.values()}
    fusers = {centred: inputs.fuser(workspace, rule) for centred, rule in rules.items()}
    modalities = {centred: fuser.modalities(sample) for centred, fuser in fusers.items()}
    own = centre(sample, next(iter(fusers.values())).mean)
    images = CrossFit(own, inputs.config.folds, inputs.config.ridge, rng)
    found: dict[str, Score | None] = {}
    count, config, seed = inputs.n_clusters, inputs.config, inputs.random_state
    with side_by_side() as threads:
        for name, candidate in inputs.candidates.items():
            centred = candidate.fusion.centred
            vectors = _fused(fusers[centred], modalities[centred], candidate)
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


@dataclass(frozen=True, kw_only=True)
class RefineInputs:
    """Inputs of `refine`; `partitions` are named as `WAYS` are."""

    images: Artifact
    choice: Artifact
    partitions: dict[str, Artifact]
    config: ChooseConfig
    n_clusters: int
    random_state: int
    earlier: str | None = optional()


@step("refinement", RefineInputs)
def refine(folder: Path, workspace: Workspace, inputs: RefineInputs) -> Written:
    """Write the choice's `candidates.parquet` again, with the way that is taken in its words.

    The way `earlier` stays unless another is better by the share `config.margin`. Facts:
    those of the choice, `way`, and how well the clusters of each are `foretold` (mean ARI).
    """
    rng = np.random.default_rng(inputs.random_state)
    rows = open_vectors(workspace, inputs.images)
    places = draw(rows.shape[0], sample_size(inputs.config, inputs.n_clusters), rng)
    sample = centre(take_rows(rows, places), mean_of(rows))
    labels = {}
    for name in (name for name in WAYS if name in inputs.partitions):
        file = inputs.partitions[name].file(workspace, ASSIGNMENTS)
        table = pq.read_table(file, columns=["key", "cluster"])
        labels[name] = labels_of(rows.key_column, table)[places].astype(np.int32)
    figures = foretold(sample, labels, inputs.n_clusters, inputs.config, rng)
    way = best_of(figures, inputs.earlier, inputs.config.margin)
    said = ", ".join(f"{WAYS[name]} {figure:.3f}" for name, figure in figures.items())
    log.info("clusters are those of %s; foretold: %s", WAYS[way], said)
    _write(folder, inputs.choice.file(workspace, CANDIDATES), WAYS[way])
    facts: dict[str, Any] = {k: v for k, v in inputs.choice.facts.items() if k != "cost"}
    return Written(rows=inputs.choice.rows, facts=facts | {"way": way, "foretold": figures})


def _write(folder: Path, candidates: Path, words: str) -> None:
    """The table of candidates, with `words` behind those of the one that is chosen."""
    table = pq.read_table(candidates)
    rows = zip(table["words"].to_pylist(), table["chosen"].to_pylist(), strict=True)
    said = pa.array([f"{text}, by {words}" if chosen else text for text, chosen in rows])
    place = table.schema.get_field_index("words")
    pq.write_table(table.set_column(place, "words", said), folder / CANDIDATES)

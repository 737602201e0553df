"""Runs whose method chooses how images are compared, on real CLIP vectors and on grown ones."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grown import Collection
from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.operations.assign import assign, load_run
from sortal.flows.recluster import recluster
from sortal.flows.run.result import RunResult
from sortal.flows.terminal.run import choice_lines
from sortal.storage.artifacts import find
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace

_ANOTHER = """
    UPDATE runs
    SET config = json_merge_patch(config::JSON, '{"fusion": {"gamma": 1}, "nouns": {"fuse": 0}}')
    WHERE random_state = 1"""


def run(folder: Path, workspace: Path, *settings: str, seed: int = 0) -> RunResult:
    values = {"source": f"vectors:{folder}", "n_clusters": 10, "method": "auto"}
    values |= {"workspace": workspace, "random_state": seed}
    return recluster.fn(make_config(values, settings))


def again(clip: Path, result: RunResult, *settings: str, seed: int = 0) -> RunResult:
    """Another run on what is there already, with few fits and steps."""
    few = ("choose.max_fits=4", "choose.steps=70", "lineage.enabled=false")
    return run(clip, Path(result.workspace), *few, *settings, seed=seed)


def tried(result: RunResult) -> list[dict]:
    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        query = "FROM candidates WHERE run_id = ? ORDER BY rank"
        return lake.query(query, [result.run_id]).to_pylist()


@pytest.fixture(scope="module")
def result(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(clip, tmp_path_factory.mktemp("auto"))


def test_on_clip_vectors_nouns_are_used_and_are_right(result):
    rows = tried(result)
    assert [row["chosen"] for row in rows] == [True, False, False, False]
    assert rows[0]["candidate"] == "image-and-nouns-equal"
    assert rows[0]["margin"] == rows[0]["predictability"] - rows[1]["predictability"]
    assert result.metrics["nmi"] > 0.84  # k-means on images: 0.69


def test_the_choice_is_said_in_words(result):
    page = Path(result.report).read_text("utf-8")
    assert "How images were compared" in page and "image and nouns alike" in page
    assert "how far seeds agree, times how well held-out images are foretold: 0." in page
    assert "Texts are trusted, since" in page
    (line,) = choice_lines(tried(result))
    assert line.startswith("compared by: image and nouns alike") and "4 ways tried" in line


def test_what_was_chosen_are_the_settings_of_the_run(result):
    stored = load_run(Workspace(Path(result.workspace)), result.run_id, None)
    assert stored.config.method == "auto" and stored.config.nouns.fuse
    assert not stored.config.captions.fuse and stored.config.fusion.image_weight == 1.0


def placed_and_own(clip: Path, found: RunResult) -> tuple[dict, dict]:
    """The cluster of every image, as `assign` places it and as the run has it."""
    workspace = Workspace(Path(found.workspace))
    _, rows = assign(workspace, str(clip), run=found.run_id, keep=False)
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT key, cluster FROM assignments WHERE run_id = ?"
        own = dict(lake.execute(query, [found.run_id]).fetchall())
    return dict(zip(rows["key"].to_pylist(), rows["cluster"].to_pylist(), strict=True)), own


def ways(result: RunResult) -> dict[str, float]:
    """How well the clusters of each way were foretold, of images compared by themselves."""
    workspace = Workspace(Path(result.workspace))
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT fingerprint FROM artifacts WHERE run_id = ? AND kind = 'refinement'"
        (fingerprint,) = lake.execute(query, [result.run_id]).fetchone() or ("",)
    return find(workspace, "refinement", fingerprint).facts["foretold"]


@pytest.mark.parametrize("skewed", [True, False])
def test_the_image_alone_is_clustered_in_the_way_that_is_foretold_best(skewed, tmp_path):
    rng, kinds = np.random.default_rng(0), [0] * 150 + [1] * 25 + [2] * 25
    means = 1.5 * rng.standard_normal((3, 24)) + 2 * rng.standard_normal(24)
    rows = means[kinds if skewed else np.arange(200) % 3] + rng.standard_normal((200, 24))
    keys, folder = [f"k{i}" for i in range(200)], tmp_path / "vectors"
    folder.mkdir()
    told = {"key": keys, "label": [str(kind) for kind in kinds], "vector": list(rows)}
    pq.write_table(pa.table(told), folder / "images.parquet")
    found = run(folder, tmp_path / "w", "n_clusters=3", "choose.steps=70")
    foretold = ways(found)
    best = max(foretold, key=lambda name: foretold[name])
    assert list(foretold) == ["as-they-are", "trained"]
    stored = load_run(Workspace(Path(found.workspace)), found.run_id, None).config
    assert (stored.head.method == "sic") == (best == "trained")
    assert not stored.fusion.centred
    (row,) = tried(found)
    assert row["words"].startswith("the image alone, by ")
    if skewed:
        assert best != "trained" and found.metrics["acc"] > 0.9


@pytest.mark.parametrize(
    "candidate", ["image", "image-and-nouns-evened", "image-and-nouns-uncentred", "adaptive"]
)
def test_every_way_places_images_where_they_are(candidate, clip, result):
    found = again(clip, result, f"choose.candidates=[{candidate}]")
    assert [row["candidate"] for row in tried(found)] == [candidate]
    placed, own = placed_and_own(clip, found)
    assert placed == own


def test_without_texts_the_image_alone_is_compared(clip, result):
    found = again(clip, result, "nouns.source=none", "captions.source=none")
    assert [row["candidate"] for row in tried(found)] == ["image"]
    with pytest.raises(UsageError, match="choose.candidates must name one whose texts"):
        again(clip, result, "choose.candidates=[adaptive]", "captions.source=none")


def test_seeds_that_choose_differently_stand_in_one_row(clip, result):
    for seed in (0, 1):
        again(clip, result, "choose.candidates=[image-and-nouns]", seed=seed)
    with Lake(Workspace(Path(result.workspace))) as lake:  # as if one had taken another
        lake.execute(_ANOTHER)
        rows = dict(lake.execute("SELECT method, seeds FROM leaderboard").fetchall())
    (both,) = [name for name in rows if "choose.candidates=[image-and-nouns]," in name]
    assert rows[both] == 2


def test_a_growing_collection_keeps_its_choice_and_its_ids(tmp_path):
    pets = Collection(tmp_path)
    pets.add(cat=40, dog=40, boat=40)
    few = {"max_fits": 4, "steps": 70}
    first = pets.run(3, method="auto", choose=few)
    before = pets.ids(first)
    pets.add(cat=10, dog=10, boat=10)
    second = pets.run(3, method="auto", choose=few)
    after = pets.ids(second)
    assert np.mean([before[key] == after[key] for key in before]) == 1.0
    chosen = [next(r["candidate"] for r in tried(each) if r["chosen"]) for each in (first, second)]
    assert chosen[0] == chosen[1]
    assert next(row for row in tried(second) if row["chosen"])["kept"]
    assert pets.run(3, method="auto", choose=few).run_id == second.run_id


def test_another_choice_starts_clusters_anew_and_keeps_their_ids(tmp_path):
    pets = Collection(tmp_path)
    pets.add(cat=40, dog=40, boat=40)
    runs = []
    for only in ("image-and-nouns-evened", "adaptive"):
        runs.append(pets.run(3, method="auto", choose={"candidates": [only], "max_fits": 4}))
        pets.add(cat=10)
    before, after = map(pets.ids, runs)
    assert np.mean([before[key] == after[key] for key in before]) == 1.0


def test_nouns_and_captions_are_compared_with_the_same_centres(result):
    made = [
        len(list((Path(result.workspace) / "artifacts" / kind).iterdir()))
        for kind in ("image_centres", "space")
    ]
    assert made[1] == 2 * made[0]


def worths(clip: Path, result: RunResult, method: str, *settings: str) -> list[float]:
    """What numbers of clusters are worth to a run that finds its own."""
    values = {"source": f"vectors:{clip}", "n_clusters": "3..6", "method": method}
    values |= {"workspace": result.workspace, "lineage": {"enabled": False}, "report": False}
    few = ("count.min_fits=2", "count.max_fits=2", "choose.max_fits=4", "choose.steps=70")
    found = recluster.fn(make_config(values, (*few, *settings)))
    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        rows = lake.query(sql("report/counts"), {"run": found.run_id}).to_pylist()
    return [row["score"] * row["information"] for row in rows]


def test_numbers_are_tried_on_centred_vectors_and_evened_directions(clip, result):
    alone = worths(clip, result, "auto", "choose.candidates=[image]")
    assert alone == worths(clip, result, "kmeans", "fusion.centred=true")
    plain, evened = (
        worths(clip, result, "auto", f"choose.candidates=[image-and-nouns{each}]")
        for each in ("", "-evened")
    )
    assert plain != evened

"""One collection by two criteria: images that have a shape, which is loud, and a colour."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.operations.assign import assign
from sortal.flows.recluster import recluster
from sortal.flows.run.check import check
from sortal.flows.run.plan import plan_of
from sortal.flows.run.result import RunResult
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.naming.about import about_names
from sortal.tasks.report.page import publish_report

SHAPES = ("circle", "square", "triangle")
COLOURS = ("red", "green", "blue", "yellow")
_AXES = np.eye(16, dtype=np.float32)


def images(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of n images, and their shapes and colours, which are independent."""
    rng = np.random.default_rng(seed)
    shape, colour = rng.integers(0, 3, n), rng.integers(0, 4, n)
    noise = 0.15 * rng.normal(size=(n, 16))
    return 2 * _AXES[shape] + _AXES[4 + colour] + noise + _AXES[15], shape, colour


def put(folder: Path, name: str, column: str, words: list[str], vectors: np.ndarray) -> None:
    rows = pa.array(list(vectors.astype(np.float32)))
    pq.write_table(pa.table({column: words, "vector": rows}), folder / f"{name}.parquet")


def grow(folder: Path, n: int) -> None:
    put(folder, "images", "key", [f"k{i:04}" for i in range(n)], images(600)[0][:n])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ready-made vectors of 500 images, of shapes as nouns, and of some of our colours."""
    folder = tmp_path_factory.mktemp("shapes") / "in"
    folder.mkdir()
    grow(folder, 500)
    put(folder, "nouns", "text", list(SHAPES), _AXES[:3] + _AXES[14])
    put(folder, "colour_texts", "text", list(COLOURS), _AXES[4:8] + _AXES[14])
    put(folder, "captions", "text", ["a circle", "a red square"], _AXES[:2] + _AXES[14])
    return folder


def run(folder: Path, *settings: str, **values: object) -> RunResult:
    where = {"source": f"vectors:{folder}", "workspace": folder.parent / "workspace"}
    given = {**where, "n_clusters": 3, "method": "cae", "report": False, **values}
    config = make_config(given, ["selection.top_k=50", *settings])
    check(config)
    return recluster.fn(config)


def ask(result: RunResult, query: str, *values: object) -> list[tuple]:
    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        return lake.execute(query, list(values)).fetchall()


def agreement(result: RunResult, truth: np.ndarray) -> float:
    query = "SELECT cluster FROM assignments WHERE run_id = ? ORDER BY key"
    clusters = [row[0] for row in ask(result, query, result.run_id)]
    return adjusted_rand_score(truth[: len(clusters)], clusters)


@pytest.fixture(scope="module")
def by_shape(folder: Path) -> RunResult:
    return run(folder)


@pytest.fixture(scope="module")
def by_colour(folder: Path, by_shape: RunResult) -> RunResult:
    return run(folder, by="colour", n_clusters=4)


def test_images_are_sorted_by_what_is_asked_for(by_shape, by_colour):
    _, shape, colour = images(600)
    assert agreement(by_shape, shape) > 0.95 and agreement(by_shape, colour) < 0.1
    assert agreement(by_colour, colour) > 0.9 and agreement(by_colour, shape) < 0.1
    query = "SELECT name FROM cluster_cards WHERE run_id = ?"
    assert {name for (name,) in ask(by_colour, query, by_colour.run_id)} == set(COLOURS)


@pytest.mark.parametrize("method", ["auto", "ntk-sc", "vic"])
def test_every_method_without_a_head_takes_a_criterion(method, folder, by_shape):
    found = run(folder, method=method, by="colour", n_clusters=4)
    assert agreement(found, images(600)[2]) > 0.9


@pytest.mark.parametrize("method", ["sic", "tac", "glad"])
def test_a_head_sees_what_the_criterion_makes_of_an_image(method, folder, by_shape, tmp_path):
    fewer = [f"head.trainer.{name}" for name in ("epochs=20", "min_steps=7", "lr=0.003")]
    found = run(folder, *fewer, method=method, by="colour", n_clusters=4)
    _, shape, colour = images(600)
    assert agreement(found, colour) > 0.9 and agreement(found, shape) < 0.1
    vectors, _, colour = images(80, seed=5)
    put(tmp_path, "images", "key", [f"n{i:04}" for i in range(80)], vectors)
    _, rows = assign(Workspace(Path(found.workspace)), str(tmp_path), run=found.run_id, keep=False)
    assert adjusted_rand_score(colour, rows["cluster"].to_pylist()) > 0.9


def test_a_criterion_finds_its_own_number_of_kinds(folder, by_shape):
    found = run(folder, "lineage.enabled=false", by="colour", n_clusters="2..8")
    assert agreement(found, images(600)[2]) > 0.9


def test_a_run_says_its_criterion_and_follows_no_run_without_it(by_shape, by_colour):
    query = "SELECT criterion, vocabulary, variant, series FROM runs WHERE run_id = ?"
    ((criterion, vocabulary, variant, series),) = ask(by_colour, query, by_colour.run_id)
    assert (criterion, vocabulary) == ("colour", None)
    assert variant == "by=colour, selection.top_k=50" and series.endswith(" by colour")
    previous = "SELECT DISTINCT previous_run_id FROM lineage WHERE run_id = ?"
    assert ask(by_colour, previous, by_colour.run_id) == [(None,)]
    for run, words in (
        (by_colour, "by colour into 4 kinds"),
        (by_shape, "by meaning into 3 kinds"),
    ):
        page = publish_report(Workspace(Path(run.workspace)), run.run_id)
        assert f"sorted {words}" in page.read_text("utf-8")


def test_two_criteria_stand_side_by_side(by_colour):
    query = """
        SELECT count(*), count(DISTINCT (one.name, other.name))
        FROM criteria AS one
        JOIN criteria AS other USING (collection, key)
        WHERE one.criterion = 'none' AND other.criterion = 'colour'"""
    assert ask(by_colour, query) == [(500, 12)]


def test_new_images_are_placed_by_the_criterion(folder, by_colour, tmp_path):
    vectors, _, colour = images(80, seed=5)
    put(tmp_path, "images", "key", [f"n{i:04}" for i in range(80)], vectors)
    workspace = Workspace(Path(by_colour.workspace))
    _, rows = assign(workspace, str(tmp_path), run=by_colour.run_id, keep=False)
    assert adjusted_rand_score(colour, rows["cluster"].to_pylist()) > 0.9


def test_a_criterion_of_ones_own_is_a_file_whose_content_counts(folder, by_shape, tmp_path):
    mood = tmp_path / "mood.csv"
    mood.write_text("term,synonyms,parent\nwarm,,\nrage,red,warm\nhope,green,\n")
    first = run(folder, by=str(mood))
    again = shutil.copy(mood, tmp_path / "copy.csv")
    settings = {"by": "mood", "nouns": {"vocabulary": str(again)}}
    assert run(folder, **settings).run_id == first.run_id
    query = "SELECT term FROM cluster_terms WHERE run_id = ? AND corpus = 'noun'"
    assert {row[0] for row in ask(first, query, first.run_id)} <= {"rage", "hope"}
    mood.write_text("term,synonyms\nrage,red\nhope,green\ncalm,blue\n")
    later = run(folder, by=str(mood))
    place = "SELECT identity FROM artifacts WHERE run_id = ? AND role = 'noun.space'"
    assert ask(later, place, later.run_id) != ask(first, place, first.run_id)
    previous = "SELECT DISTINCT previous_run_id FROM lineage WHERE run_id = ?"
    assert ask(later, previous, later.run_id) == [(first.run_id,)]


def test_names_that_another_vocabulary_does_not_say_are_not_kept(folder, tmp_path):
    source = shutil.copytree(folder, tmp_path / "in")
    terms = tmp_path / "terms.txt"

    def named_by(*words: str) -> dict[int, str]:
        terms.write_text("\n".join(words))
        found = run(source, nouns={"vocabulary": str(terms)})
        query = "SELECT stable_id, name FROM clusters WHERE run_id = ?"
        return dict(ask(found, query, found.run_id))

    first = named_by(*SHAPES)
    assert set(first.values()) == set(SHAPES)
    fewer = named_by("circle", "square", "red")
    assert fewer.keys() == first.keys()
    kept = {number for number in first if fewer[number] == first[number]}
    assert {first[number] for number in kept} == {"circle", "square"}
    more = named_by(*SHAPES, "green")
    assert {more[number] for number in kept} == {"circle", "square"}


def test_a_grown_collection_keeps_the_ids_of_each_criterion(folder, by_shape, by_colour):
    grow(folder, 600)
    shape, colour = run(folder), run(folder, by="colour", n_clusters=4)
    grow(folder, 500)
    query = "SELECT DISTINCT previous_run_id FROM lineage WHERE run_id = ?"
    assert ask(shape, query, shape.run_id) == [(by_shape.run_id,)]
    assert ask(colour, query, colour.run_id) == [(by_colour.run_id,)]
    names = "SELECT cluster_id, name FROM cluster_names WHERE run_id = ? ORDER BY 1"
    assert ask(colour, names, colour.run_id) == ask(by_colour, names, by_colour.run_id)
    assert agreement(colour, images(600)[2]) > 0.9


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"by": "color"}, "must be one of thing, .*, got 'color'; the nearest is colour"),
        ({"by": "/no/such.csv"}, "or a vocabulary file that is there, got '/no/such.csv'"),
        ({"by": "colour", "method": "sac"}, "reads no caption of each image, got the head sac"),
        (
            {"by": "colour", "method": "sic", "fusion": {"mode": "concat"}},
            "head.image=fused must go with fusion.mode=sum and fusion.evened=0, got concat and 0",
        ),
        ({"by": "colour", "nouns": {"source": "none"}}, "nouns.source must not be none"),
        ({"by": "style"}, "vectors of at least 2 of the 82 terms, got 0; put text and vector"),
        ({"nouns": {"vocabulary": "/no/such"}}, "must be a file of terms, got /no/such"),
    ],
)
def test_what_cannot_be_a_criterion_is_said_in_one_line(values, line, folder):
    with pytest.raises(UsageError, match=line) as error:
        run(folder, **values)
    assert "\n" not in str(error.value)


def test_a_dry_run_counts_the_terms_that_have_vectors(folder):
    where = {"source": f"vectors:{folder}", "workspace": folder.parent / "new"}
    plan = plan_of(make_config({**where, "n_clusters": 4, "by": "colour", "method": "cae"}))
    assert plan["by"] == "colour" and plan["texts"]["noun"]["texts"] == len(COLOURS)


def test_what_an_encoder_cannot_see_is_said():
    assert "sees no colour" in about_names("conse", "colour")
    assert "sees no" not in about_names("conse", "scene") + about_names("vectors:x", "colour")

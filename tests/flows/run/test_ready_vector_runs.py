"""Runs on ready-made vectors as people have them: what is refused, what is said, what goes on."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import RunError, UsageError
from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.flows.run.check import check
from sortal.flows.run.result import RunResult
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.report.gather import gather

CENTRES = np.random.default_rng(0).normal(size=(3, 16))


def kinds(n: int, seed: int = 1) -> np.ndarray:
    """Vectors of three kinds."""
    noise = np.random.default_rng(seed).normal(size=(n, 16))
    return 4 * CENTRES[np.arange(n) % 3] + noise


def put(folder: Path, name: str, words: dict, vectors: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    pq.write_table(pa.table({**words, "vector": column}), folder / f"{name}.parquet")


def images(folder: Path, vectors: np.ndarray, keys: list | None = None) -> None:
    put(folder, "images", {"key": keys or [f"k{i}" for i in range(len(vectors))]}, vectors)


def texts(folder: Path, n: int = 12) -> None:
    for name in ("nouns", "captions"):
        put(folder, name, {"text": [f"{name} of {i}" for i in range(n)]}, kinds(n, 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture(autouse=True)
def seen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sortal")


def run(folder: Path, method: str = "kmeans", k: int = 3, *settings: str) -> RunResult:
    where = {"source": f"vectors:{folder}", "workspace": folder.parent / "workspace"}
    values = {**where, "n_clusters": k, "method": method, "report": False}
    config = make_config(values, settings)
    check(config)
    return recluster.fn(config)


def sizes(result: RunResult) -> dict[str, int]:
    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        rows = lake.query("SELECT name, size FROM cluster_cards").to_pylist()
    return {row["name"]: row["size"] for row in rows}


def test_a_key_that_is_there_twice_is_refused_with_the_first_such_key(folder: Path):
    images(folder, kinds(60), [f"k{i % 30}" for i in range(60)])
    with pytest.raises(UsageError, match="key of its own, got 'k0' in the rows 0 and 30"):
        run(folder)


def test_a_key_twice_in_two_files_is_refused_too(folder: Path):
    images(folder, kinds(6))
    put(folder, "more_images", {"key": ["new", "k4"]}, kinds(2))
    with pytest.raises(UsageError, match="got 'k4' in the rows 4 and 7"):
        run(folder)


@pytest.mark.parametrize("key", [None, ""])
def test_a_key_must_be_something(folder: Path, key):
    images(folder, kinds(4), ["a", "b", key, "c"])
    with pytest.raises(UsageError, match="null or empty, nor hold a zero byte, as in row 2"):
        run(folder)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "NaN"), (0.0, "a zero")])
def test_a_vector_that_says_nothing_is_refused_with_its_key(folder: Path, value, what):
    vectors = kinds(6)
    vectors[4] = value
    images(folder, vectors)
    with pytest.raises(UsageError, match=rf"row 4 \('k4'\) is {what}"):
        run(folder)


def test_images_alone_make_numbered_clusters_and_one_line_says_why(folder: Path, caplog):
    images(folder, kinds(30))
    assert sizes(run(folder)) == {"unnamed 0": 10, "unnamed 1": 10, "unnamed 2": 10}
    (line,) = [record.getMessage() for record in caplog.records]
    assert "no *nouns*.parquet" in line and "numbered" in line


def test_labels_of_another_column_are_taken_where_it_is_named(folder: Path):
    told = {"label": list("abc") * 10, "side": ["left", "right"] * 15}
    put(folder, "images", {"key": [f"k{i}" for i in range(30)], **told}, kinds(30))
    assert run(folder).metrics["acc"] == 1.0
    assert run(folder, "kmeans", 3, "images.label_column=side").metrics["acc"] < 0.6
    assert run(folder).metrics["acc"] == 1.0


@pytest.mark.parametrize(
    ("label", "line"),
    [
        (["x"] * 30, "30 labelled images have the same one"),
        ([f"x{i}" for i in range(30)], "30 labelled images have one each, and no two the same"),
        (["x", *[None] * 29], "one image alone has a label"),
        ([None] * 30, None),
    ],
)
def test_labels_that_tell_nothing_are_named_in_a_line_and_not_compared(
    folder: Path, caplog: pytest.LogCaptureFixture, label: list, line: str | None
):
    caplog.set_level(logging.INFO, "sortal")
    put(folder, "images", {"key": [f"k{i}" for i in range(30)], "label": label}, kinds(30))
    result = run(folder)
    assert not {"acc", "nmi", "n_classes"} & result.metrics.keys()
    said = [each for each in caplog.messages if each.startswith("labels ")]
    assert said == ([f"labels are not compared: {line}"] if line else [])
    workspace = Workspace(Path(result.workspace))
    with Lake(workspace, read_only=True) as lake:
        labelled = lake.execute(sql("browse/clean/labelled"), {"run": result.run_id}).fetchall()
        page = gather(lake, result.run_id)
    assert labelled == [(False,)] and not page.labelled
    assert page.confusion is None and not page.suspects


def test_a_method_that_needs_texts_says_which_file_is_wanted_and_where_that_is_written(
    folder: Path,
):
    images(folder, kinds(30))
    with pytest.raises(UsageError, match=r"\*nouns\*\.parquet.*docs/vectors\.md"):
        run(folder, "cae")
    texts(folder)
    (folder / "captions.parquet").unlink()
    with pytest.raises(UsageError, match=r"\*captions\*\.parquet"):
        run(folder, "cae")
    page = Path(__file__).parents[3] / "docs" / "vectors.md"
    assert "`*nouns*.parquet`" in page.read_text("utf-8")


def test_a_folder_of_vectors_without_the_word_is_refused_before_any_work(folder: Path):
    images(folder, kinds(30))
    config = make_config({"source": str(folder), "n_clusters": 3})
    with pytest.raises(UsageError, match=f"give the source as vectors:{folder}"):
        check(config)


def test_images_that_hardly_differ_are_a_warning(folder: Path, caplog):
    images(folder, np.ones((30, 16)) + 1e-5 * kinds(30))
    assert run(folder).n_images == 30
    assert "all images are nearly the same to the encoder" in caplog.text


def test_texts_that_hardly_differ_are_a_warning(folder: Path, caplog):
    images(folder, kinds(30))
    texts(folder)
    put(folder, "nouns", {"text": ["a", "b", "c"]}, np.ones((3, 16)) + 1e-6 * kinds(3))
    result = run(folder, "cae")
    assert "all nouns are nearly the same" in caplog.text
    assert not any(np.isnan(value) for value in result.metrics.values())


def test_one_text_that_only_names_is_no_error_and_one_that_is_read_is(folder: Path):
    images(folder, kinds(30))
    texts(folder, 1)
    assert run(folder).n_images == 30
    with pytest.raises(RunError, match="at least 2 texts, got 1 of 1"):
        run(folder, "cae")


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("transport.epsilon=1e-40", "0.00001"),
        ("fusion.gamma=1e-40", "0.00001"),
        ("head.tac.temperature=1e-39", "0.00001"),
        ("transport.balance=1e-300", "transport.balance must be 0, or in [1e-06, 1]"),
    ],
)
def test_numbers_too_small_to_reckon_with_are_refused_in_one_line(setting, rule):
    with pytest.raises(UsageError) as caught:
        make_config({"source": "x", "n_clusters": 2}, [setting])
    assert rule in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "setting", ["transport.epsilon=1e-5", "fusion.gamma=1e-5", "transport.balance=1e-6"]
)
def test_the_least_numbers_give_no_nan(folder: Path, setting):
    images(folder, kinds(30))
    texts(folder)
    result = run(folder, "cae", 3, setting)
    assert sum(sizes(result).values()) == 30
    assert all(np.isfinite(value) for value in result.metrics.values())

"""GLAD on further modalities through the real flow: utterances of features, and pictures."""

import csv
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.operations.assign import assign
from sortal.flows.recluster import recluster
from sortal.storage.artifacts import find
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.report.page import build

SHAPES = {"text": 768, "audio": 768, "video": 1024}  # of MIntRec's features, a mean over time
KINDS, N = 5, 200
LABELS = np.arange(N) % KINDS


def features(path, dim, seed, keep):
    """Features of utterances: their kind and noise; only those rows that are kept."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((KINDS, dim))
    rows = (means[LABELS] + 2.0 * rng.standard_normal((N, dim))).astype(np.float32)[keep]
    columns = {"key": [f"utterance {i}" for i in np.flatnonzero(keep)]}
    if path.name == "images.parquet":
        columns["label"] = [f"intent {LABELS[i]}" for i in np.flatnonzero(keep)]
    columns["vector"] = pa.array(rows.tolist(), pa.list_(pa.float32(), dim))
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    """video as the images, text and audio as modalities; an audio track in ten is missing."""
    root = tmp_path_factory.mktemp("utterances")
    (root / "in").mkdir()
    whole, some = np.ones(N, bool), np.random.default_rng(0).random(N) > 0.1
    features(root / "in" / "images.parquet", SHAPES["video"], 1, whole)
    features(root / "text.parquet", SHAPES["text"], 2, whole)
    features(root / "audio.parquet", SHAPES["audio"], 3, some)
    return root, int(some.sum())


def settings(root, workspace):
    return make_config(
        {
            "source": str(root / "in"),
            "n_clusters": KINDS,
            "method": "glad",
            "report": False,
            "workspace": workspace,
            "encoder": {"spec": f"vectors:{root / 'in'}"},
            "nouns": {"source": "none"},
            "captions": {"source": "none"},
            "modalities": {
                "text": {"kind": "vectors", "source": str(root / "text.parquet")},
                "audio": {"kind": "vectors", "source": str(root / "audio.parquet")},
            },
            "head": {
                "glad": {"modalities": ["image", "text", "audio"]},
                "trainer": {"epochs": 6, "batch_size": 40, "lr": 0.005},
            },
        }
    )


@pytest.fixture(scope="module")
def run(utterances, tmp_path_factory):
    root, _ = utterances
    workspace = tmp_path_factory.mktemp("workspace")
    return recluster.fn(settings(root, workspace)), Workspace(workspace)


def test_utterances_are_sorted_by_their_features_alone(run, utterances):
    result, workspace = run
    assert result.metrics["ari"] > 0.95
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT name, value FROM metrics WHERE run_id = ? AND name SIMILAR TO 'view.*n_.*'"
        figures = dict(lake.execute(query, [result.run_id]).fetchall())
        names = lake.execute("SELECT name FROM clusters ORDER BY cluster").fetchall()
        places = lake.query("SELECT * FROM artifacts WHERE role = 'view.audio'").to_pylist()
    n_audio = utterances[1]
    assert figures == {
        "view.text.n_present": N,
        "view.text.n_missing": 0,
        "view.audio.n_present": n_audio,
        "view.audio.n_missing": N - n_audio,
    }
    assert names == [(None,)] * KINDS
    (place,) = places
    assert find(workspace, place["kind"], place["fingerprint"])
    page = build(workspace, result.run_id)
    row = f'audio</th><td class="n">768</td><td class="n">{n_audio}</td><td class="n">{N - n_audio}'
    assert "<h3>Modalities</h3>" in page and row in page


def test_the_same_run_again_is_that_run(run, utterances):
    result, workspace = run
    assert recluster.fn(settings(utterances[0], workspace.root)).run_id == result.run_id


def test_utterances_are_placed_by_the_modality_that_is_there_and_a_line_says_so(
    run, utterances, caplog
):
    result, workspace = run
    _, rows = assign(workspace, str(utterances[0] / "in"), run=result.run_id, keep=False)
    with Lake(workspace, read_only=True) as lake:
        query = "SELECT key, cluster FROM assignments WHERE run_id = ?"
        own = dict(lake.execute(query, [result.run_id]).fetchall())
    found = dict(zip(rows["key"].to_pylist(), rows["cluster"].to_pylist(), strict=True))
    assert np.mean([found[key] == own[key] for key in own]) > 0.95
    assert "decides by text and audio too, which new images are placed without" in caplog.text


def test_pictures_with_titles_are_sorted_by_both(photos, tmp_path):
    source = tmp_path / "pictures"
    shutil.copytree(photos, source)
    paths = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))
    with (source / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "title"])
        for i, path in enumerate(paths):
            writer.writerow([path, "" if i % 10 == 0 else f"a drawing of {path.split('/')[0]}"])
    values = {"source": str(source), "n_clusters": 4, "method": "glad", "workspace": tmp_path / "w"}
    chosen = ["modalities.title.kind=column", "head.glad.modalities=[image, title]"]
    chosen += ["head.trainer.epochs=3", "head.trainer.batch_size=32", "head.trainer.lr=0.01"]
    result = recluster.fn(
        make_config(values, [*chosen, "nouns.source=none", "captions.source=none"])
    )
    with Lake(Workspace(tmp_path / "w"), read_only=True) as lake:
        query = "SELECT value FROM metrics WHERE name = 'view.title.n_missing'"
        assert lake.execute(query).fetchall() == [(len(paths[::10]),)]
    assert result.n_images == len(paths)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            "head.glad.modalities=[image, sound]",
            r"must name modalities of the run \(.*audio\), got 'sound'",
        ),
        ("head.glad.modalities=[image]", "must name two or more modalities"),
        (
            "head.glad.modalities=[image, noun]",
            "nouns.source must not be none, since the method glad",
        ),
        (
            "modalities.text={kind: column, encoder: nothing}",
            "encoder of texts must be minilm, conse, .*got 'nothing'",
        ),
    ],
)
def test_views_that_cannot_be_are_refused_before_anything_is_read(
    utterances, tmp_path, setting, words
):
    with pytest.raises(UsageError, match=words) as error:
        config = settings(utterances[0], tmp_path).model_dump(exclude_unset=True)
        if "text" in setting:
            config["modalities"].pop("text")
        recluster.fn(make_config(config, [setting]))
    assert "\n" not in str(error.value)
    assert not Workspace(tmp_path).vectors.exists() or not list(
        Workspace(tmp_path).vectors.iterdir()
    )

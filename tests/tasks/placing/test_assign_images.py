"""`sortal assign` on image files: what is embedded is kept, and the collection is not disturbed."""

import shutil
import tarfile
from pathlib import Path

import pytest

from image_files import CONFIG, run, write
from sortal.configs.errors import UsageError
from sortal.configs.schema import RunConfig
from sortal.flows.operations.assign import assign
from sortal.flows.recluster import recluster
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace
from sortal.tasks.encoders.registry import describe
from tiny_clip import tiny


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> RunConfig:
    """A folder of image files, clustered through an encoder of random weights."""
    root = tmp_path_factory.mktemp("pictures")
    for i in range(12):
        write(root / "in" / f"{i:02}.png", seed=i)
    (root / "captions.txt").write_text("".join(f"a picture of thing {i}\n" for i in range(12)))
    config = RunConfig(
        source=str(root / "in"),
        n_clusters=2,
        workspace=root / "workspace",
        encoder={"spec": tiny(root / "clip"), "device": "cpu", "num_workers": 0},
        nouns={"lexnames": ("noun.Tops",), "max_words": 1, "templates": ("{}",)},
        captions={"source": str(root / "captions.txt"), "format": "text"},
    )
    recluster.fn(config)
    return config


@pytest.fixture
def room(settings) -> Workspace:
    return Workspace(settings.workspace)


def shards(room: Workspace, settings: RunConfig) -> list[Path]:
    fingerprint = describe(settings.encoder.spec).fingerprint
    return VectorStore.of(room, fingerprint, "images").shards()


def test_a_folder_a_tar_and_a_file_are_placed_alike_and_embedded_once(room, settings, tmp_path):
    for i in range(3):
        write(tmp_path / "new" / "kind" / f"{i}.png", seed=50 + i)
    with tarfile.open(tmp_path / "new.tar", "w") as tar:
        tar.add(tmp_path / "new", "new")
    before = len(shards(room, settings))
    _, folder = assign(room, str(tmp_path / "new"))
    assert len(shards(room, settings)) == before + 1
    _, packed = assign(room, str(tmp_path / "new.tar"))
    _, single = assign(room, str(tmp_path / "new" / "kind" / "1.png"))
    assert len(shards(room, settings)) == before + 1
    for name in ("key", "cluster", "name", "threshold", "status"):
        assert folder[name].to_pylist() == packed[name].to_pylist()
        assert single[name].to_pylist() == folder[name].to_pylist()[1:2]
    assert single["path"].to_pylist() == ["1.png"]


def test_a_bad_file_is_a_row_with_its_code_and_copies_are_rows_too(room, tmp_path):
    good = write(tmp_path / "new" / "good.png", seed=60)
    shutil.copy(good, good.with_name("copy.png"))
    (tmp_path / "new" / "empty.png").touch()
    good.with_name("text.jpg").write_text("no image")
    good.with_name("cut.png").write_bytes(good.read_bytes()[:200])
    _, rows = assign(room, str(tmp_path / "new"))
    by_path = {row["path"]: row for row in rows.to_pylist()}
    assert by_path["good.png"]["cluster"] == by_path["copy.png"]["cluster"] is not None
    for name in ("empty.png", "text.jpg", "cut.png"):
        row = by_path[name]
        assert (row["status"], row["cluster"], row["name"]) == ("failed", None, None)
        assert row["error_code"]
    for path in ("good.png", "copy.png"):
        (tmp_path / "new" / path).unlink()
    _, rows = assign(room, str(tmp_path / "new"))
    assert set(rows["status"].to_pylist()) == {"failed"}


def test_an_empty_folder_is_refused_in_one_line(room, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="a source must hold images, got none"):
        assign(room, str(tmp_path / "none"))


def test_the_collection_is_as_it_was(room, settings, tmp_path):
    source = Path(settings.source)
    before, memory = run(room, source), (room.root / "scans").glob("*")
    remembered = {path: path.read_bytes() for path in memory}
    assign(room, str(source / "03.png"))
    write(tmp_path / "new" / "0.png", seed=70)
    assign(room, str(tmp_path / "new"))
    assert {path: path.read_bytes() for path in remembered} == remembered
    again = run(room, source, CONFIG)
    assert (again.fingerprint, again.identity) == (before.fingerprint, before.identity)
    result = recluster.fn(settings)
    assert result.n_images == 12


def test_another_encoder_or_vectors_do_not_fit(room, settings, tmp_path):
    folder = Path(settings.encoder.spec.removeprefix("open_clip:local-dir:"))
    weights = (folder / "model.pth").read_bytes()
    try:
        tiny(folder, seed=1)
        with pytest.raises(UsageError, match=r"must be the one of run .*`sortal cluster"):
            assign(room, settings.source)
    finally:
        (folder / "model.pth").write_bytes(weights)

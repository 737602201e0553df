"""Images inside Parquet files: as the Hugging Face library and img2dataset write them."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_files import CONFIG, codes, rows, run, to_tensor
from sortal.configs.errors import UsageError
from sortal.storage.workspace import Workspace
from sortal.tasks.containers import table
from sortal.tasks.embedding.batches import Batches, read_batches
from sortal.tasks.errors import ImageError
from sortal.tasks.report.thumbnails import Place, thumbnails
from sortal.tasks.sources.registry import open_source

NAMES = ("cat", "dog")


def hugging(path: Path, files: list[Path], **options: Any) -> Path:
    """A shard with `image` (bytes, path) and a class label whose names are in the metadata."""
    images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    label = {"names": list(NAMES), "_type": "ClassLabel"}
    notes = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    table = pa.table(
        {
            "image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "label": [NAMES.index(file.parent.name) for file in files],
            "caption": [f"a {file.parent.name}" for file in files],
        }
    ).replace_schema_metadata({"huggingface": json.dumps(notes)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


@pytest.fixture
def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.png"))


@pytest.fixture
def shards(files: list[Path], tmp_path: Path) -> Path:
    hugging(tmp_path / "set/data/train-0.parquet", files[:4], row_group_size=3)
    hugging(tmp_path / "set/data/train-1.parquet", files[4:])
    (tmp_path / "set/README.md").write_text("no image")
    pq.write_table(pa.table({"text": ["no image"]}), tmp_path / "set/notes.parquet")
    return tmp_path / "set"


def test_shards_hold_what_the_folder_holds(
    workspace: Workspace, folder: Path, files: list[Path], shards: Path
) -> None:
    inside, outside = (
        rows(workspace, run(workspace, shards)),
        rows(workspace, run(workspace, folder)),
    )
    assert list(inside) == [
        f"data/train-{i // 4}.parquet/{i % 4}/{file.name}" for i, file in enumerate(files)
    ]
    for file, (path, row) in zip(files, inside.items(), strict=True):
        same = {**outside[file.relative_to(folder).as_posix()], "path": path, "split": "train"}
        assert row == {**same, "offset": row["offset"]}


def test_images_are_read_in_any_order_and_in_other_processes(
    workspace: Workspace, files: list[Path], shards: Path
) -> None:
    table = pq.read_table(run(workspace, shards).file(workspace, "images.parquet"))
    source = pickle.loads(pickle.dumps(open_source(str(shards))))
    for i in (0, 1, 5, 2, 0, 4, 3, 3):
        row = table.slice(i, 1).to_pylist()[0]
        assert source.read(row["path"], row["offset"], row["bytes"]) == files[i].read_bytes()
    batches = Batches(source, table, [(0, 4), (4, 6)], CONFIG, to_tensor)
    there = list(read_batches(batches, 20_000, num_workers=2))
    assert [key for batch in there for key in batch.keys] == table["key"].to_pylist()
    assert not any(batch.failures for batch in there)
    places = [Place(row["key"], row["path"], row["offset"]) for row in table.to_pylist()]
    assert len(thumbnails(str(shards), places, {}, CONFIG)) == len(files)


def test_a_new_shard_is_all_that_is_read(
    workspace: Workspace, files: list[Path], shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(workspace, shards)
    assert run(workspace, shards).identity == first.identity
    hugging(shards / "data/train-2.parquet", files[:1])
    read = []
    monkeypatch.setattr(
        table._Images, "read",
        lambda self, row, value=table._Images.read: read.append(row) or value(self, row),
    )  # fmt: skip
    assert run(workspace, shards).facts["n_images"] == 7 and read == [0]


def test_img2dataset_files_and_single_files(
    workspace: Workspace, files: list[Path], tmp_path: Path
) -> None:
    """A plain column of bytes; without a column `label` a folder's name is none."""
    data = [file.read_bytes() for file in files]
    keys = [f"{i:09}" for i in range(len(files))]
    table = pa.table(
        {"key": keys, "jpg": pa.array(data, pa.large_binary()), "n": [None, *keys[1:]]}
    )
    path = tmp_path / "cat/00000.parquet"
    path.parent.mkdir()
    pq.write_table(table, path)
    for source, prefix in ((path, ""), (tmp_path, "cat/")):
        if prefix:
            shutil.rmtree(tmp_path / "in")
        artifact = run(workspace, source)
        found = rows(workspace, artifact)
        assert list(found)[2] == f"{prefix}00000.parquet/2/000000002"
        assert artifact.facts["n_labelled"] == 0 and artifact.facts["n_ok"] == 6
        texts = open_source(str(source), workspace.root).column("n")
        assert list(texts) == list(found) and list(texts.values()) == [None, *keys[1:]]
        with pytest.raises(UsageError, match="a modality of the column 'title'"):
            open_source(str(source), workspace.root).column("title")


def test_labels_of_other_kinds(workspace: Workspace, files: list[Path], tmp_path: Path) -> None:
    data = [file.read_bytes() for file in files[:3]]
    for labels, wanted in (([3, 4, None], ["3", "4", None]), (["é", "", "b"], ["é", None, "b"])):
        pq.write_table(pa.table({"img": data, "label": labels}), tmp_path / "x.parquet")
        found = rows(workspace, run(workspace, tmp_path / "x.parquet"))
        assert [row["label"] for row in found.values()] == wanted


def test_what_is_broken_is_a_row(workspace: Workspace, files: list[Path], tmp_path: Path) -> None:
    good = [file.read_bytes() for file in files]
    data = [good[0], None, b"", b"no image"]
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"image": data}), tmp_path / "set/a.parquet")
    whole = hugging(tmp_path / "b.parquet", files * 40, row_group_size=60, compression="none",
                    data_page_size=2048)  # fmt: skip
    cut = whole.read_bytes()
    (tmp_path / "set/cut.parquet").write_bytes(cut[: len(cut) // 2])
    place = pq.ParquetFile(whole).metadata.row_group(1).column(0).data_page_offset
    damaged = bytearray(cut)
    damaged[place : place + 40] = b"\xff" * 40
    (tmp_path / "set/holes.parquet").write_bytes(damaged)
    found = codes(workspace, run(workspace, tmp_path / "set"))
    by_row = [found[f"a.parquet/{i}"] for i in range(4)]
    assert by_row == [None, "missing", "zero_byte", "not_an_image"]
    assert found["cut.parquet"] == "damaged"
    holes = [code for path, code in found.items() if path.startswith("holes")]
    assert holes == [None] * 60 + ["damaged"] * 60 + [None] * 120


def test_a_file_that_changes_or_goes_is_a_failed_row(
    workspace: Workspace, files: list[Path], shards: Path
) -> None:
    table = pq.read_table(run(workspace, shards).file(workspace, "images.parquet"))
    source = open_source(str(shards))
    row = table.to_pylist()[3]
    hugging(shards / "data/train-0.parquet", files[:2])
    with pytest.raises(ImageError, match="row 3 is gone: the file has 2"):
        source.read(row["path"], row["offset"])
    (shards / "data/train-0.parquet").unlink()
    with pytest.raises(ImageError, match="gone since it was listed"):
        source.read(row["path"], row["offset"])
    batch = next(read_batches(Batches(source, table, [(3, 5)], CONFIG, to_tensor), 2, 0))
    assert [(f.error_code, f.lasting) for f in batch.failures] == [("missing", False)]
    assert batch.keys == [table["key"][4].as_py()]


def test_links_are_followed_as_those_to_images_are(
    workspace: Workspace, files: list[Path], shards: Path, tmp_path: Path
) -> None:
    """A link inside is followed, one that leads out is a failed row, a source may be a link."""
    away = hugging(tmp_path / "blobs/a1b2", files[:2])
    (shards / "away.parquet").symlink_to(away)
    (shards / "again.parquet").symlink_to(shards / "data/train-1.parquet")
    found = codes(workspace, run(workspace, shards))
    assert found.pop("away.parquet") == "outside_root"
    assert set(found.values()) == {None} and len(found) == 8
    found = codes(workspace, run(workspace, shards / "away.parquet"))
    assert list(found) == ["away.parquet/0/0.png", "away.parquet/1/2.png"]
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/x.parquet").symlink_to(away)
    with pytest.raises(UsageError, match=r"links that lead out of it, got x\.parquet"):
        run(workspace, tmp_path / "snapshot")


def test_a_file_without_images_says_what_it_has(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a"], "vector": [[0.5]]}), tmp_path / "images.parquet")
    pq.write_table(pa.table({"photo": [b"x"], "image": ["a.png"]}), tmp_path / "photo.parquet")
    for name, message in {
        "images.parquet": "got key string, vector list.*give vectors by their folder",
        "photo.parquet": "no column holds images, got photo binary, image string",
    }.items():
        with pytest.raises(UsageError, match=message):
            run(workspace, tmp_path / name)


def test_large_files_and_limits(workspace: Workspace, files: list[Path], tmp_path: Path) -> None:
    """Sizes are known once a row is read; limits hold nevertheless."""
    large = files[0].read_bytes() + bytes(3 << 20)
    data = [files[0].read_bytes(), large]
    pq.write_table(pa.table({"image": data}), tmp_path / "x.parquet")
    found = rows(workspace, run(workspace, tmp_path / "x.parquet"))
    assert [row["bytes"] for row in found.values()] == [len(data[0]), len(large)]
    small = CONFIG.model_copy(update={"max_bytes": 1 << 20})
    assert list(codes(workspace, run(workspace, tmp_path / "x.parquet", small)).values()) == [
        None, "too_large",
    ]  # fmt: skip
    assert np.unique([row["key"] for row in found.values()]).size == 2


def test_a_larger_limit_reads_what_a_smaller_one_refused(
    workspace: Workspace, files: list[Path], tmp_path: Path
) -> None:
    pq.write_table(pa.table({"image": [files[0].read_bytes()]}), tmp_path / "x.parquet")
    small = CONFIG.model_copy(update={"max_bytes": 10})
    assert set(codes(workspace, run(workspace, tmp_path / "x.parquet", small)).values()) == {
        "too_large"
    }
    assert set(codes(workspace, run(workspace, tmp_path / "x.parquet")).values()) == {None}

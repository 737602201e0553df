"""Labels and splits of whole scans, in the forms in which people keep their data."""

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_files import CONFIG, rows, run
from sortal.configs.errors import UsageError
from sortal.storage.workspace import Workspace

LABELS = {f"{i}.png": ("cat", "dog")[i % 2] for i in range(6)}
CSV = "file_name,label\n" + "".join(f"{name},{label}\n" for name, label in LABELS.items())


@pytest.fixture
def images(folder: Path) -> dict[str, bytes]:
    """Six pictures by name, which lie in no class folder."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*/*.png"))}
    shutil.rmtree(folder)
    return {name: found[name] for name in sorted(found)}


def placed(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def zipped(files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files, mode="w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data.encode() if isinstance(data, str) else data))
    return out.getvalue()


def forms(images):
    """Ways to keep the same six labelled pictures."""
    shard = {name.replace(".png", ".a.png"): data for name, data in images.items()}
    shard |= {name.replace(".png", ".cls"): label for name, label in LABELS.items()}
    facts = {
        name.replace(".png", ".json"): json.dumps({"label": label})
        for name, label in LABELS.items()
    }
    yield "table", {**images, "Labels.csv": CSV}
    yield "nested table", {f"a/b/{n}": b for n, b in images.items()} | {"a/b/metadata.csv": CSV}
    yield "zip", {"photos.zip": zipped({**images, "labels.csv": CSV})}
    yield "webdataset", {"train-0000.tar.gz": tarred(shard)}
    yield "files", {**images, **facts}
    yield "classes", {f"{LABELS[n]}/{n}": b for n, b in images.items()}
    yield "splits", {f"val/{LABELS[n]}/{n}": b for n, b in images.items()}
    rows = parquet(image=list(images.values()), label=list(LABELS.values()))
    yield "parquet", {"data/train-00000-of-00001.PARQUET": rows}
    yield "parquet in a zip", {"data.zip": zipped({"x/test.parquet": rows})}
    names = pa.array([{"path": name} for name in images])
    yield (
        "names in parquet",
        {**images, "train.parquet": parquet(image=names, label=list(LABELS.values()))},
    )


def test_labels_are_found_in_every_form(workspace: Workspace, images, tmp_path: Path) -> None:
    splits = {}
    for name, files in forms(images):
        artifact = run(workspace, placed(tmp_path / name, files))
        found = list(rows(workspace, artifact).values())
        assert [row["label"] for row in found if row["status"] == "ok"].count("cat") == 3, name
        assert artifact.facts["n_labelled"] == artifact.facts["n_ok"] == 6, name
        assert "warnings" not in artifact.facts and not artifact.facts["n_failed"], name
        splits[name] = {row["split"] for row in found}
    assert splits == dict.fromkeys(splits, {None}) | {
        "webdataset": {"train"}, "splits": {"val"}, "parquet": {"train"},
        "parquet in a zip": {"test"}, "names in parquet": {"train"},
    }  # fmt: skip


def test_columns_are_named_and_a_named_one_is_another_scan(
    workspace: Workspace, images, tmp_path: Path
) -> None:
    data = list(images.values())
    table = parquet(left=data, right=data[::-1], label=["x"] * 6, fine=list("abcdef"))
    source = placed(tmp_path / "in", {"a.parquet": table})
    first = rows(workspace, run(workspace, source))
    named = CONFIG.model_copy(update={"column": "right", "label_column": "fine"})
    second = rows(workspace, run(workspace, source, named))
    assert list(first) == list(second)
    assert [row["key"] for row in first.values()] == [row["key"] for row in second.values()][::-1]
    assert [row["label"] for row in second.values()] == list("abcdef")
    wrong = CONFIG.model_copy(update={"column": "middle"})
    with pytest.raises(UsageError, match="no column 'middle' holds bytes, got left binary, right"):
        run(workspace, source, wrong)
    unlabelled = CONFIG.model_copy(update={"label_column": "coarse"})
    assert "'coarse'" in run(workspace, source, unlabelled).facts["warnings"][0]


def test_a_table_that_cannot_be_used_is_a_warning_of_the_scan(
    workspace: Workspace, images, tmp_path: Path
) -> None:
    source = placed(tmp_path / "in", {**images, "metadata.csv": "no,such\ncolumns,here\n"})
    first = run(workspace, source)
    assert (first.facts["n_ok"], first.facts["n_labelled"]) == (6, 0)
    assert first.facts["warnings"] == [
        "metadata.csv gives no labels: no column names images of the source, got no, such"
    ]
    assert run(workspace, source) == first
    placed(source, {"metadata.csv": CSV})
    assert run(workspace, source).facts["n_labelled"] == 6


def test_a_split_is_part_of_what_a_scan_is(workspace: Workspace, images, tmp_path: Path) -> None:
    source = placed(tmp_path / "in", {**images, "l.csv": "file,split\n0.png,train\n"})
    first = run(workspace, source)
    placed(source, {"l.csv": "file,split\n0.png,test\n1.png,test\n"})
    second = run(workspace, source)
    assert second.identity != first.identity
    assert (first.facts["n_splits"], second.facts["n_splits"]) == (1, 1)

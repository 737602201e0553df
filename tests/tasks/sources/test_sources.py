import io
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_files import CONFIG, codes, rows, run
from rights import bound_by_permissions
from sortal.configs.errors import RunError, UsageError
from sortal.storage.vectors import vector_table
from sortal.storage.workspace import Workspace
from sortal.tasks.errors import ImageError
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source


def in_a_tar(folder: Path, path: Path, top: str = "top", kind: str = "w") -> Path:
    with tarfile.open(path, kind) as tar:
        tar.add(folder, top)
    return path


@pytest.mark.parametrize("top", ["top", ".", "./top"])
def test_a_tar_holds_the_same_images_and_labels(
    workspace: Workspace, folder: Path, tmp_path: Path, top: str
) -> None:
    tar = in_a_tar(folder, tmp_path / "in.tar", top)
    inside = rows(workspace, run(workspace, tar))
    outside = rows(workspace, run(workspace, folder))
    name = "top/" if "top" in top else ""
    assert set(inside) == {name + path for path in outside}
    source = pickle.loads(pickle.dumps(open_source(str(tar))))
    for path, row in outside.items():
        other = inside[name + path]
        assert (other["key"], other["label"]) == (row["key"], row["label"])
        data = source.read(name + path, other["offset"], other["bytes"])
        assert data == open_source(str(folder)).read(path) == (folder / path).read_bytes()


def test_a_flat_tar_has_no_labels(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    artifact = run(workspace, in_a_tar(folder / "cat", tmp_path / "flat.tar"))
    assert artifact.facts["n_labelled"] == 0


def test_a_damaged_tar_keeps_what_can_be_read(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    tar = in_a_tar(folder, tmp_path / "in.tar")
    complete = run(workspace, tar)
    last = max(rows(workspace, complete).values(), key=lambda row: row["offset"])
    with tar.open("r+b") as file:
        file.truncate(last["offset"] + 10)
    found = codes(workspace, run(workspace, tar))
    assert found[last["path"]] == "truncated" and list(found.values()).count(None) == 5
    with tar.open("r+b") as file:
        file.seek(last["offset"] - 512)
        file.write(b"garbage" * 20)
    found = codes(workspace, run(workspace, tar))
    assert found["in.tar"] == "truncated" and list(found.values()).count(None) == 5


def test_odd_tar_members_are_named(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    data = (folder / "cat/0.png").read_bytes()
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for name in ("../../up.png", "/abs.png", "a.png", "a.png", ".git/x.png", "d/b\udcff.png"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo("link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert codes(workspace, run(workspace, tmp_path / "odd.tar")) == {
        "../../up.png": "outside_root", "/abs.png": "outside_root", "a.png": None,
        "d/b\\xff.png": "bad_name", "link.png": "outside_root",
    }  # fmt: skip


def test_a_folder_of_tars_is_one_source(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    """Shards as webdataset writes them; folders in them are no labels."""
    shards = tmp_path / "shards"
    (shards / "more.tar").mkdir(parents=True)
    in_a_tar(folder / "cat", shards / "00000.tar", ".")
    in_a_tar(folder / "dog", shards / "more.tar/00001.tar", ".")
    damaged = in_a_tar(folder / "dog", shards / "00002.tar", ".")
    damaged.write_bytes(damaged.read_bytes()[:2700])
    (shards / "00003.tar").write_text("no tar")
    (shards / "away.tar").symlink_to(in_a_tar(folder / "dog", tmp_path / "away.tar", "."))
    artifact = run(workspace, shards)
    found = rows(workspace, artifact)
    names = [f"00000.tar/{i}.png" for i in (0, 2, 4)]
    names += [f"more.tar/00001.tar/{i}.png" for i in (1, 3, 5)]
    assert [path for path, row in found.items() if row["status"] == "ok"] == names
    assert artifact.facts["n_labelled"] == 0
    assert found["00003.tar"]["error_code"] == "unsupported_format"
    assert found["away.tar"]["error_code"] == "outside_root"
    assert {row["error_code"] for path, row in found.items() if "00002" in path} == {"truncated"}
    source = pickle.loads(pickle.dumps(open_source(str(shards))))
    row = found["more.tar/00001.tar/3.png"]
    data = source.read("more.tar/00001.tar/3.png", row["offset"], row["bytes"])
    assert data == (folder / "dog/3.png").read_bytes()
    in_a_tar(folder / "cat", shards / "00004.tar", ".")
    assert run(workspace, shards).facts["n_ok"] == 9
    (shards / "more.tar/00001.tar").unlink()
    with pytest.raises(ImageError, match="its archive is gone"):
        source.read("more.tar/00001.tar/3.png", row["offset"], row["bytes"])


def test_metadata_labels_override_folders(workspace: Workspace, folder: Path) -> None:
    shutil.copy(folder / "cat/0.png", folder / "noextension")
    lines = ["file_name,label", "cat/0.png,tiger", "noextension,lion", "gone.png,wolf"]
    (folder / "metadata.csv").write_text("\n".join(lines))
    artifact = run(workspace, folder)
    found = rows(workspace, artifact)
    assert found["cat/0.png"]["label"] == "tiger" and found["dog/1.png"]["label"] is None
    assert found["noextension"]["key"] == found["cat/0.png"]["key"]
    assert found["gone.png"]["error_code"] == "missing" and artifact.facts["n_classes"] == 2
    (folder / "metadata.csv").write_text("file_name,label\ncat/0.png,lynx\n")
    assert rows(workspace, run(workspace, folder))["cat/0.png"]["label"] == "lynx"


def test_metadata_in_a_tar_is_relative_to_its_folder(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    (folder / "metadata.jsonl").write_text('{"file_name": "cat/0.png", "label": 7}\n')
    found = rows(workspace, run(workspace, in_a_tar(folder, tmp_path / "in.tar")))
    assert found["top/cat/0.png"]["label"] == "7" and found["top/dog/1.png"]["label"] is None


def test_the_later_of_two_metadata_files_of_a_name_counts_as_of_two_images(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    tar = in_a_tar(folder, tmp_path / "in.tar")
    for label in ("old", "new"):
        (folder / "metadata.csv").write_text(f"file_name,label\ncat/0.png,{label}\n")
        with tarfile.open(tar, "a") as archive:
            archive.add(folder / "metadata.csv", "top/metadata.csv")
    assert rows(workspace, run(workspace, tar))["top/cat/0.png"]["label"] == "new"


def test_a_source_that_cannot_be_used_says_why(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "note.txt").write_text("no tar")
    for source, message in {
        tmp_path / "holidays": "did you mean .*holiday'",
        tmp_path / "no" / "such": "there is no folder",
        tmp_path / "holiday": "must hold images",
        tmp_path / "note.txt": "an image or an archive",
    }.items():
        with pytest.raises(UsageError, match=message):
            run(workspace, source)


def test_a_password_in_an_address_is_not_printed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # where nothing answers
    with pytest.raises((UsageError, RunError), match="s3://") as caught:
        scan(workspace, source="s3://user:secret@bucket/x", config=CONFIG)
    assert "secret" not in str(caught.value)


def test_ready_made_vectors_are_a_source(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "vectors"
    source.mkdir()
    table = vector_table(["a", "b"], np.eye(2, dtype=np.float32))
    pq.write_table(table, source / "my_images.parquet")
    table = pq.read_table(source / "my_images.parquet")
    table = table.append_column("label", pa.array(["x", None]))
    pq.write_table(table, source / "my_images.parquet")
    artifact = run(workspace, source)
    found = rows(workspace, artifact)
    assert found["a"]["label"] == "x" and found["b"]["status"] == "ok"
    assert artifact.facts["n_unique"] == 2 and artifact.facts["n_labelled"] == 1


def test_an_address_that_can_be_none_is_one_line(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty.arrow").touch()
    (tmp_path / "photos.rar").write_bytes(b"Rar!\x1a\x07\x01\0")
    (tmp_path / "locked" / "photos").mkdir(parents=True)
    (tmp_path / "locked").chmod(0)
    with bound_by_permissions():
        for source, message in {
            "~nosuchuser/photos": "whole path",
            "y" * 300: "File name too long",
            "a\0b": "no zero byte",
            tmp_path / "locked" / "photos": "Permission denied",
            "/dev/null": "pipe, socket or device",
            tmp_path / "empty.arrow": "the file holds no bytes",
            tmp_path / "photos.rar": "unpack it",
            "s3://": "must name a bucket",
            "https:///a.tar": "must name a bucket or a server",
            "http://[::1/a.tar": "must name a bucket or a server",
            "http://host:99999/a.tar": "must name a bucket or a server",
            "urls:https:///a.csv": "must name a bucket or a server",
            "file:///tmp": "give the path alone",
        }.items():
            with pytest.raises(UsageError, match=message):
                run(workspace, source)

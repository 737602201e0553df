"""Labels, captions and facts that lie beside the images of a tar."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from image_files import rows, run
from sortal.configs.errors import UsageError
from sortal.storage.workspace import Workspace
from sortal.tasks.modalities.step import texts_of_column


def shard(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def members(folder: Path) -> dict[str, bytes]:
    """Six pictures as webdataset and img2dataset write them, an odd one among them."""
    found = {}
    for path in sorted(folder.glob("*/*.png")):
        stem = f"./part/{path.stem}"
        found[f"{stem}.png"] = path.read_bytes()
        found[f"{stem}.cls"] = f"{path.parent.name}\n".encode()
        found[f"{stem}.txt"] = f"a {path.parent.name} called {path.stem}".encode()
        facts = {"caption": None, "url": f"photos/{path.stem}", "width": 12, "txt": "not used"}
        found[f"{stem}.json"] = json.dumps(facts).encode()
    found["./part/4.txt"] = b"  "
    found["./part/5.json"] = b"no json"
    found["./part/lone.txt"] = b"of no image"
    del found["./part/1.cls"]
    return found


@pytest.mark.parametrize("many", [False, True])
def test_labels_and_columns_are_read_from_sidecars(
    workspace: Workspace, members: dict[str, bytes], tmp_path: Path, many: bool
) -> None:
    tar = shard(tmp_path / "shards/00000.tar", members)
    source, prefix = (tar.parent, "00000.tar/part/") if many else (tar, "part/")
    found = rows(workspace, run(workspace, source))
    labels = {path: row["label"] for path, row in found.items()}
    assert labels == {
        f"{prefix}{n}.png": None if n == 1 else ("dog" if n % 2 else "cat") for n in range(6)
    }
    texts = texts_of_column(str(source), "txt")
    assert texts[f"{prefix}3.png"] == "a dog called 3"
    assert texts[f"{prefix}4.png"] == "not used"  # its own text is empty: the key of its .json
    assert len(texts) == 6
    urls = texts_of_column(str(source), "url")
    assert [urls[f"{prefix}{n}.png"] for n in (0, 5)] == ["photos/0", None]
    assert texts_of_column(str(source), "width")[f"{prefix}2.png"] == "12"
    with pytest.raises(UsageError, match=r"\.caption or \.json with this key, got none"):
        texts_of_column(str(source), "caption")


def test_a_changed_label_is_another_scan(
    workspace: Workspace, members: dict[str, bytes], tmp_path: Path
) -> None:
    tar = shard(tmp_path / "in.tar", members)
    first = run(workspace, tar)
    assert run(workspace, tar).identity == first.identity
    shard(tar, members | {"./part/1.cls": b"7"})
    again = run(workspace, tar)
    assert again.identity != first.identity
    assert rows(workspace, again)["part/1.png"]["label"] == "7"


def test_a_metadata_file_has_precedence_over_sidecars(
    workspace: Workspace, members: dict[str, bytes], tmp_path: Path
) -> None:
    lines = "file_name,label,txt\n0.png,one,from the file\n"
    tar = shard(tmp_path / "in.tar", members | {"part/metadata.csv": lines.encode()})
    found = rows(workspace, run(workspace, tar))
    assert {row["label"] for row in found.values()} == {"one", None}
    texts = texts_of_column(str(tar), "txt")
    assert {path: text for path, text in texts.items() if text} == {"part/0.png": "from the file"}


def test_archives_without_texts_damaged_ones_and_large_texts(
    workspace: Workspace, members: dict[str, bytes], tmp_path: Path
) -> None:
    large = {"./part/5.txt": b"x" * ((1 << 20) + 1), "./part/2.txt": b"\xff odd"}
    tar = shard(tmp_path / "shards/00000.tar", members | large)
    images = {name: data for name, data in members.items() if name.endswith(".png")}
    shard(tmp_path / "shards/00001.tar", images)
    (tmp_path / "shards/00002.tar").write_bytes(b"no tar")
    source = tmp_path / "shards"
    found = rows(workspace, run(workspace, source))
    assert found["00001.tar/part/3.png"]["label"] is None
    assert found["00000.tar/part/3.png"]["label"] == "dog"
    texts = texts_of_column(str(source), "txt")
    assert texts["00000.tar/part/5.png"] is None and "odd" in str(texts["00000.tar/part/2.png"])
    pictures = {f"0000{t}.tar/part/{n}.png" for t in range(2) for n in range(6)}
    assert set(texts) == {*pictures, "00002.tar"}
    tar.write_bytes(tar.read_bytes()[: 1 << 20])  # inside the large text
    assert texts_of_column(str(source), "txt") == texts | {"00000.tar": None}

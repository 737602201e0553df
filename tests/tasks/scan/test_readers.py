"""What a scan remembers of files that could not be read, or were read by an earlier version."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from image_files import rows, run, write
from sortal.storage.workspace import Workspace
from sortal.tasks.pictures import extra
from sortal.tasks.scan import cache, step


def test_a_file_that_needed_the_extra_is_read_once_it_is_there(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    write(tmp_path / "photos" / "a.png")
    write(tmp_path / "photos" / "b.heic", size=(64, 48))
    workspace = Workspace(tmp_path / "w").create()
    absent = dict.fromkeys(extra.PACKAGES, False)
    with monkeypatch.context() as without:
        without.setattr(extra, "find_spec", lambda name: None)
        for module in (cache, step):
            without.setattr(module, "installed", lambda: absent)
        first = rows(workspace, run(workspace, tmp_path / "photos"))
    assert first["b.heic"]["error_code"] == "unsupported_format"
    second = rows(workspace, run(workspace, tmp_path / "photos"))
    assert (second["b.heic"]["status"], second["b.heic"]["width"]) == ("ok", 64)


def test_what_an_earlier_version_remembered_is_read_again(tmp_path):
    write(tmp_path / "photos" / "a.png")
    workspace = Workspace(tmp_path / "w").create()
    run(workspace, tmp_path / "photos")
    (file,) = Path(workspace.root / "scans").glob("*.parquet")
    old = pq.read_table(file).drop_columns(["taken_at", "camera_model", "flag"])
    pq.write_table(old, file)
    write(tmp_path / "photos" / "b.png", seed=1)
    found = rows(workspace, run(workspace, tmp_path / "photos"))
    assert [row["status"] for row in found.values()] == ["ok", "ok"]

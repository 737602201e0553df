import os
import shutil
from functools import partial
from pathlib import Path

import pyarrow as pa

from image_files import CONFIG, codes, rows, run, write
from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_file
from sortal.storage.workspace import Workspace
from sortal.tasks.executor.base import How
from sortal.tasks.executor.local import LocalExecutor
from sortal.tasks.executor.slices import Slices
from sortal.tasks.scan.headers import Input, probe_batch
from sortal.tasks.sources.registry import open_source


def test_a_folder_gives_a_row_for_each_image(workspace: Workspace, folder: Path) -> None:
    artifact = run(workspace, folder)
    found = rows(workspace, artifact)
    facts = {k: v for k, v in artifact.facts.items() if k != "cost"}
    assert facts == {
        "n_images": 6, "n_ok": 6, "n_failed": 0, "n_unique": 6, "n_labelled": 6, "n_classes": 2,
        "n_files": 8, "others": {"hidden": 1, "text file": 1},
    }  # fmt: skip
    assert list(found) == sorted(found)
    row = found["cat/0.png"]
    assert row["key"] == hash_file(folder / "cat/0.png")
    assert (row["label"], row["width"], row["height"], row["format"]) == ("cat", 12, 10, "PNG")
    assert (row["status"], row["error"], row["offset"]) == ("ok", None, None)


def test_rename_touch_and_copy_read_as_the_same_content(workspace: Workspace, folder: Path) -> None:
    first = run(workspace, folder)
    keys = {row["key"] for row in rows(workspace, first).values()}
    os.utime(folder / "cat/0.png", (1, 1))
    touched = run(workspace, folder)
    assert touched.fingerprint != first.fingerprint and touched.identity == first.identity
    (folder / "cat/0.png").rename(folder / "cat/renamed.png")
    shutil.copy(folder / "dog/1.png", folder / "dog/copy.png")
    after = rows(workspace, run(workspace, folder))
    assert {row["key"] for row in after.values()} == keys and len(after) == 7
    assert after["dog/copy.png"]["key"] == after["dog/1.png"]["key"]


def test_a_deleted_file_is_gone_from_the_next_scan(workspace: Workspace, folder: Path) -> None:
    first = run(workspace, folder)
    (folder / "cat/0.png").unlink()
    second = run(workspace, folder)
    assert "cat/0.png" not in rows(workspace, second)
    assert "cat/0.png" in rows(workspace, first) and first.identity != second.identity


def test_nothing_changed_is_the_same_artifact(workspace: Workspace, folder: Path) -> None:
    assert run(workspace, folder) == run(workspace, folder)


def swap_in_place(path: Path, other: Path) -> None:
    """Other bytes behind the same size and time."""
    info = path.stat()
    data = other.read_bytes()[: info.st_size].ljust(info.st_size, b"\0")
    path.write_bytes(data)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_only_new_files_are_read(workspace: Workspace, folder: Path) -> None:
    """The change in place shows that the old file's bytes were not read again."""
    before = rows(workspace, run(workspace, folder))
    swap_in_place(folder / "cat/0.png", write(folder.parent / "x.png", seed=99))
    write(folder / "cat/new.png", seed=7)
    after = rows(workspace, run(workspace, folder))
    assert after["cat/0.png"] == before["cat/0.png"]
    assert after["cat/new.png"]["key"] == hash_file(folder / "cat/new.png")


def test_verify_finds_a_change_in_place_and_later_scans_keep_it(
    workspace: Workspace, folder: Path
) -> None:
    first = run(workspace, folder)
    swap_in_place(folder / "cat/0.png", write(folder.parent / "x.png", seed=99))
    assert run(workspace, folder) == first
    verified = run(workspace, folder, ImagesConfig(verify=True))
    assert rows(workspace, verified)["cat/0.png"]["key"] == hash_file(folder / "cat/0.png")
    later = run(workspace, folder)
    assert later.identity == verified.identity != first.identity
    assert run(workspace, folder) == later


def test_new_limits_apply_to_files_already_known(workspace: Workspace, folder: Path) -> None:
    run(workspace, folder)
    write(folder / "cat/wide.png", size=(200, 100))
    few = run(workspace, folder, ImagesConfig(max_pixels=200))
    assert codes(workspace, few)["cat/wide.png"] == "too_many_pixels"
    small = run(workspace, folder, ImagesConfig(max_bytes=100))
    assert set(codes(workspace, small).values()) == {"too_large"}
    assert run(workspace, folder).facts["n_failed"] == 0


def test_a_damaged_cache_is_only_slower(workspace: Workspace, folder: Path) -> None:
    first = run(workspace, folder)
    for cache in (workspace.root / "scans").iterdir():
        cache.write_bytes(b"PAR1 damaged")
    write(folder / "cat/new.png", seed=7)
    (folder / "cat/new.png").unlink()
    os.utime(folder / "cat/0.png", (2, 2))
    assert run(workspace, folder).identity == first.identity


def test_the_workspace_inside_the_source_is_not_scanned(folder: Path) -> None:
    workspace = Workspace(folder / "sortal-workspace").create()
    write(workspace.reports / "thumb.png")
    assert run(workspace, folder).facts["n_images"] == 6


def test_processes_find_what_one_finds(folder: Path) -> None:
    columns = {name: [None] * 3 for name in Input._fields} | {
        "path": ["cat/0.png", "dog/1.png", "cat/gone.png"], "bytes": [1, 1, 1]
    }  # fmt: skip
    batches = Slices(pa.table(columns), 1)
    work = partial(probe_batch, open_source(str(folder)), CONFIG)
    alone, together = (
        pa.concat_tables(LocalExecutor().map(work, batches, How(processes=n))) for n in (0, 2)
    )
    assert alone.equals(together)
    assert alone["error_code"].to_pylist() == [None, None, "missing"]


def test_cifar_and_flickr_as_they_come(workspace: Workspace, shared: Path) -> None:
    cifar = run(workspace, shared / "datasets" / "cifar10_test.tar")
    assert [cifar.facts[k] for k in ("n_ok", "n_labelled", "n_classes")] == [10_000, 10_000, 10]
    flickr = run(workspace, shared / "datasets" / "flickr8k_1000.tar")
    assert [flickr.facts[k] for k in ("n_ok", "n_labelled")] == [1000, 0]

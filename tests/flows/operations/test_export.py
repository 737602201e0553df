"""Exports: folders a kind, formats of others, never over what is there, resumed after a kill."""

import csv
import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from looked_run import publish, scene
from rights import bound_by_permissions
from sortal.configs.errors import UsageError
from sortal.flows.operations.export.names import Names, folders_of, safe
from sortal.flows.operations.export.run import FORMS, Request, export
from sortal.flows.operations.query import ask
from sortal.storage.workspace import Workspace

FILES = {"a/1.png": 2, "b/1.png": 4, "c/CON.png": 6, "Ünï ?.png": 1, "gone.png": 3}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A run over loose files: three of kind 10, two of kind 11, one of which is gone since."""
    root = tmp_path_factory.mktemp("export")
    folder = root / "pets"
    for name, seed in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        scene(seed).save(folder / name)
    made = Workspace(root / "w").create()
    publish(made, folder, "run-1", FILES)
    (folder / "gone.png").unlink()
    return made.root


def names(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() and not path.name.startswith(".")
    )


def rows(file):
    return list(csv.DictReader(file.open(encoding="utf-8")))


def test_links_lead_to_the_originals_in_a_folder_a_kind(workspace, tmp_path):
    done = export(Request(workspace, tmp_path / "out"))
    assert done.placed.counts == {"linked": 4, "failed": 1}
    found = names(tmp_path / "out")
    assert found[-2:] == ["manifest.csv", "odd/Ünï _.png"]
    assert found[:2] == ["even_ a_b/1-" + found[0][12:20] + ".png", "even_ a_b/1.png"]
    link = tmp_path / "out" / "even_ a_b" / "1.png"
    assert link.is_symlink() and link.resolve() == workspace.parent / "pets/a/1.png"
    said = rows(tmp_path / "out" / "manifest.csv")
    assert {row["path"]: row["error_code"] for row in said if row["error_code"]} == {
        "gone.png": "missing"
    }
    assert {row["cluster_id"] for row in said} == {"10", "11"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_every_picture_and_is_never_written_over(workspace, tmp_path, form):
    to = tmp_path / "out"
    asked = Request(workspace, to, form, kinds=("10",))
    done = export(asked)
    assert sum(done.placed.counts.values()) == 3
    if form in ("csv", "parquet", "jsonl", "coco"):
        with pytest.raises(UsageError, match="nothing is overwritten"):
            export(asked)
    else:
        assert {row["path"] for row in rows(to / "manifest.csv")} == {*list(FILES)[:3]}
        assert export(asked).placed.counts == {"already there": 3}
        with pytest.raises(UsageError, match="other images or kinds"):
            export(Request(workspace, to, form, kinds=("11",)))


@pytest.mark.parametrize("form", ["links", "copies", "webdataset", "hf"])
def test_an_export_that_was_killed_goes_on_and_touches_nothing(workspace, tmp_path, form):
    asked = Request(workspace, tmp_path, form, kinds=("10",))
    export(asked)
    there = [tmp_path / name for name in names(tmp_path)]
    pictures = [path for path in there if path.suffix in (".png", ".tar", ".parquet")]
    times = {path: path.lstat().st_mtime_ns for path in pictures[1:]}
    pictures[0].unlink()
    (tmp_path / "manifest.csv").unlink()
    done = export(asked)
    assert done.resumed and names(tmp_path) == sorted(
        path.relative_to(tmp_path).as_posix() for path in there
    )
    assert {path: path.lstat().st_mtime_ns for path in times} == times


def test_others_find_their_layout(workspace, tmp_path):
    for form in ("webdataset", "hf", "coco", "fiftyone", "imagefolder"):
        export(Request(workspace, tmp_path / form, form, kinds=("even: a/b",)))
    with tarfile.open(tmp_path / "webdataset" / "shard-000000.tar") as tar:
        members = tar.getnames()
        assert [name.rpartition(".")[2] for name in members] == ["png", "cls", "json"] * 3
        assert tar.extractfile(members[1]).read() == b"0"
    table = pq.read_table(tmp_path / "hf" / "data" / "train-00000-of-00001.parquet")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"]["names"] == ["even: a/b"]
    assert table["image"][0].as_py()["bytes"].startswith(b"\x89PNG")
    coco = json.loads((tmp_path / "coco").read_text())
    assert coco["categories"] == [{"id": 10, "name": "even: a/b", "supercategory": ""}]
    assert [image["width"] for image in coco["images"]] == [160] * 3
    said = json.loads((tmp_path / "fiftyone" / "labels.json").read_text())
    stems = {path.stem for path in (tmp_path / "fiftyone" / "data").iterdir()}
    assert said["classes"] == ["even: a/b"] and set(said["labels"]) == stems
    lines = (tmp_path / "imagefolder" / "metadata.jsonl").read_text().splitlines()
    assert all(
        (tmp_path / "imagefolder" / json.loads(line)["file_name"]).is_file() for line in lines
    )


def test_a_dry_run_counts_and_writes_nothing(workspace, tmp_path):
    done = export(Request(workspace, tmp_path / "out", dry_run=True, where="path LIKE '%1.png'"))
    assert done.placed.counts["linked"] == 2 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"form": "zip"}, "--as must be one of"),
        ({"run": "nope"}, "no run"),
        ({"kinds": ("12",)}, "--kind must be a kind of run"),
        ({"where": "colour = 1"}, "SQL: "),
        ({"where": "1 = 1); DROP TABLE runs; SELECT (1"}, "SQL: |one statement"),
        ({"where": "path IN (SELECT column0 FROM read_csv('/etc/passwd'))"}, "SQL: "),
        ({"where": " "}, "--where must be a condition"),
        ({"where": "false"}, "no image"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(workspace, tmp_path, change, rule):
    with pytest.raises(UsageError, match=rule):
        export(Request(workspace, tmp_path / "out", **change))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_others_is_left_alone(workspace, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        export(Request(workspace, tmp_path))
    assert names(tmp_path) == ["mine.txt"]


def test_every_file_has_an_absolute_uri(workspace):
    found = ask(workspace, "SELECT uri FROM latest_assignments WHERE path LIKE 'Ün%'")
    root = (workspace.parent / "pets").as_posix()
    assert found["uri"].to_pylist() == [f"file://{root}/%C3%9Cn%C3%AF%20%3F.png"]


@pytest.mark.parametrize(
    ("name", "safe_name"),
    [
        ("a/b\\c:d", "a_b_c_d"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("console", "console"),
        (" .. ", "_"),
        (".hidden", "_hidden"),
        ("dot.", "dot"),
        ("", "_"),
        ("a\u202eb\n", "a_b_"),
        ("e\u0301", "é"),
    ],
)
def test_names_are_safe_everywhere(name, safe_name):
    assert safe(name) == safe_name


def test_long_names_are_cut_and_stay_two():
    one, other = (safe("ü" * 300 + end) for end in ("1.jpeg", "2.jpeg"))
    assert one != other and one.endswith(".jpeg") and len(one.encode()) <= 150


def test_equal_names_become_different_whatever_their_case():
    given = Names()
    found = [
        given.of("k", path) for path in ("a/x.jpg", "b/X.jpg", "c/x.jpg", "a/x.jpg", "a/x.jpg")
    ]
    assert found[0] == "x.jpg" and len({name.casefold() for name in found}) == 5
    assert folders_of([(1, "Dog"), (2, "dog"), (3, None), (4, "manifest.csv")]) == {
        1: "Dog (1)",
        2: "dog (2)",
        3: "cluster 3",
        4: "manifest.csv (4)",
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_place_that_cannot_be_is_one_line(workspace, tmp_path, form):
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir(mode=0o500)
    with bound_by_permissions():
        for place, why in (
            (tmp_path / "file" / "out", "Not a directory|File exists"),
            (tmp_path / "locked" / "out", "Permission denied"),
            (tmp_path / ("n" * 300), "File name too long"),
            (Path("/proc/out"), "No such file or directory"),
        ):
            with pytest.raises(UsageError, match=f"--to must be .*(?:{why})"):
                export(Request(workspace, place, form))


@pytest.mark.parametrize("form", FORMS)
def test_a_place_that_the_next_run_would_sort_is_refused(workspace, form):
    for place in (workspace.parent / "pets", workspace):
        with pytest.raises(UsageError, match="--to must lie outside the"):
            export(Request(workspace, place / "out", form))
    assert not list(workspace.parent.rglob("out"))

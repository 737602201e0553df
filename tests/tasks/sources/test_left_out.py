"""What is left out, what is sniffed, and that every file that was seen is told of."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from archives import parquet_of, tar_of, zip_of
from image_files import CONFIG, codes, rows, run, write
from sortal.configs.errors import UsageError
from sortal.storage.workspace import Workspace
from sortal.tasks.places.rules import Rules
from sortal.tasks.scan.seen import seen_of

HIDDEN = (
    "@eaDir/a.png/SYNOPHOTO_THUMB_M.png", "#recycle/gone.png", "$RECYCLE.BIN/R1.png", ".git/x.png",
    ".thumbnails/t.png", ".Trash-1000/files/u.png", "__MACOSX/._a.png", "thumbs/a.png",
    "System Volume Information/s.png", "lost+found/l.png", "sub/@EADIR/b.png", "._a.png",
    ".DS_Store", "node_modules/icon/i.png", "Catalog Previews.lrdata/p.png",
)  # fmt: skip


def files_below(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def adds_up(facts: dict, n_files: int) -> bool:
    return facts["n_files"] == n_files == facts["n_images"] + sum(facts["others"].values())


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    """Two pictures among what a NAS, a Mac, Windows and a photo program put beside them."""
    source = tmp_path / "nas"
    for name in ("a.png", "sub/b.png", *HIDDEN):
        write(source / name, format="PNG")
    for name in ("Thumbs.db", "notes.txt", "sub/invoice.pdf", "clip.mp4", "LICENSE", "empty"):
        (source / name).write_bytes(b"" if name == "empty" else b"no picture")
    return source


def test_what_lies_around_photos_is_left_out_and_counted(workspace: Workspace, nas: Path) -> None:
    artifact = run(workspace, nas)
    assert list(rows(workspace, artifact)) == ["a.png", "sub/b.png"]
    assert adds_up(artifact.facts, files_below(nas))
    others = artifact.facts["others"]
    assert others["hidden"] == 5 and others["in @eaDir"] == others["in __MACOSX"] == 1
    line = seen_of(artifact.facts)
    assert line and line.startswith("23 files seen: 2 images; passed over: 5 hidden, ")
    assert "1 PDF" in line and "1 text file" in line and "1 video" in line
    assert run(workspace, nas) == artifact


def test_the_same_is_left_out_inside_containers(
    workspace: Workspace, nas: Path, tmp_path: Path
) -> None:
    outside = run(workspace, nas)
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed/a.zip", "w") as archive:
        for path in sorted(p for p in nas.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(nas))
    with tarfile.open(tmp_path / "packed/a.tgz", "w:gz") as tar:
        tar.add(nas, "")
    for name in ("a.zip", "a.tgz"):
        inside = run(workspace, tmp_path / "packed" / name)
        assert sorted(rows(workspace, inside)) == ["a.png", "sub/b.png"]
        assert adds_up(inside.facts, files_below(nas) + 1)
        assert sum(inside.facts["others"].values()) == sum(outside.facts["others"].values()) + 1


def test_globs_leave_out_and_bring_back(workspace: Workspace, nas: Path) -> None:
    def found(**globs: tuple[str, ...]) -> list[str]:
        artifact = run(workspace, nas, CONFIG.model_copy(update=globs))
        assert adds_up(artifact.facts, files_below(nas))
        return list(rows(workspace, artifact))

    assert found(exclude=("sub",)) == found(exclude=("sub/*",)) == ["a.png"]
    assert found(exclude=("A.*",)) == ["sub/b.png"]
    assert found(include=("#recycle/**",)) == ["#recycle/gone.png", "a.png", "sub/b.png"]
    assert found(include=("@eaDir",)) == [
        "@eaDir/a.png/SYNOPHOTO_THUMB_M.png", "a.png", "sub/@EADIR/b.png", "sub/b.png",
    ]  # fmt: skip
    assert found(exclude=("*",), include=("sub/b.png",)) == ["sub/b.png"]
    with pytest.raises(UsageError, match=r"got none in .* but 23|--include"):
        found(exclude=("*",))


@pytest.mark.parametrize(
    ("glob", "inside", "outside"),
    [
        ("*.png", "x/y/a.PNG", "a.jpg"),
        ("drafts", "x/drafts/y/a.png", "x/drafts2/a.png"),
        ("2019/*/raw", "2019/may/raw/a.png", "2019/may/june/raw/a.png"),
        ("2019/**/raw/*.png", "2019/may/june/raw/a.png", "2020/raw/a.png"),
        ("/top.png", "top.png", "x/top.png/y"),
        ("im?[0-9].png", "img7.png", "imgx.png"),
        ("im[!0-9].png", "imx.png", "im7.png"),
        ("a[b.png", "a[b.png", "ab.png"),
        ("a+(b).png", "a+(b).png", "aab.png"),
    ],
)
def test_globs_mean_what_people_expect(glob: str, inside: str, outside: str) -> None:
    rules = Rules((glob,))
    assert rules.reason(inside) == "excluded" and rules.reason(outside) is None


def test_odd_names_are_sniffed(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "odd"
    picture = write(source / "a.png").read_bytes()
    good = (
        "no_extension",
        "photo.jpg?w=200",
        "photo.jpg.1",
        "IMG.JPG_large",
        "d41d8cd98f00b204",
        "x.unknown",
    )
    for name in good:
        (source / name).write_bytes(picture)
    bad = {"lost.jpg?w=1": b"", "page.png.download": b"<html>not found</html>"}
    for name, data in {**bad, "README": b"hello", "data.bin": b"\0" * 99, "x.txt": picture}.items():
        (source / name).write_bytes(data)
    (source / "holiday.jpg").mkdir()
    write(source / "holiday.jpg/b.png")
    for name, data in {"a.zip": zip_of, "b.tar": tar_of}.items():
        (source / name).write_bytes(data([("inside", picture), ("Makefile", b"all:")]))
    artifact = run(workspace, source)
    found = codes(workspace, artifact)
    inside = ["a.zip/inside", "b.tar/inside", "holiday.jpg/b.png", "a.png"]
    assert {path for path, code in found.items() if code is None} == {*good, *inside}
    assert {path: code for path, code in found.items() if code} == {
        "lost.jpg?w=1": "zero_byte", "page.png.download": "not_an_image"
    }  # fmt: skip
    assert adds_up(artifact.facts, files_below(source) + 4)


def test_images_beside_a_data_sets_card_are_told_of(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "hf"
    picture = write(source / "thumbnail.png").read_bytes()
    (source / "data").mkdir()
    (source / "data/train.parquet").write_bytes(parquet_of([("a", picture)] * 3))
    assert len(rows(workspace, run(workspace, source))) == 4
    (source / "README.md").write_text("# card")
    artifact = run(workspace, source)
    assert len(rows(workspace, artifact)) == 3
    assert artifact.facts["others"]["picture of a dataset's card"] == 1
    assert adds_up(artifact.facts, files_below(source) + 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.txt", r"but 1 text file; give a folder or archive"),
        (".git/a.png", r"but 1 hidden; --include"),
        ("empty/", r"got none in '[^']+'; give a folder or archive"),
    ],
)
def test_a_refusal_says_what_there_is_and_the_way_out_of_it(
    workspace: Workspace, tmp_path: Path, name: str, words: str
) -> None:
    file = tmp_path / "source" / name
    file.parent.mkdir(parents=True)
    file.mkdir() if name.endswith("/") else file.write_bytes(b"no picture")
    with pytest.raises(UsageError, match=words):
        run(workspace, tmp_path / "source", CONFIG)

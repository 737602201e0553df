import os
import socket
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from image_files import CONFIG, codes, rows, run, write
from rights import bound_by_permissions
from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_file
from sortal.storage.workspace import Workspace
from sortal.tasks.errors import ImageError
from sortal.tasks.pictures.decode import decode
from sortal.tasks.sources.registry import open_source


def bad_inputs(folder: Path, outside: Path) -> dict[str, str]:
    """Write bad inputs into `folder`; returns name -> the error code to expect at the scan."""
    outside.mkdir()
    write(outside / "secret.png")
    (folder / "zero.jpg").touch()
    (folder / "text.jpg").write_text("I am a text, not an image, whatever my name says")
    (folder / "eps.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "broken.png").symlink_to("nothing.png")
    (folder / "out.png").symlink_to(outside / "secret.png")
    (folder / "outfolder").symlink_to(outside)
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "back").symlink_to(".")
    Image.new("1", (4000, 4000)).save(folder / "bomb.png")
    (folder / "large.png").write_bytes(b"\x89PNG" + b"\0" * 60_000)
    (folder / "heic.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 50)
    return {
        "zero.jpg": "zero_byte", "text.jpg": "not_an_image", "eps.png": "unsupported_format",
        "pipe.png": "not_a_file", "broken.png": "broken_link",
        "out.png": "outside_root", "outfolder": "outside_root", "loop.png": "link_loop",
        "back": "link_loop", "bomb.png": "too_many_pixels", "large.png": "too_large",
        "heic.heic": "damaged",
    }  # fmt: skip


def test_each_bad_file_is_a_row_with_its_code(
    workspace: Workspace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = bad_inputs(folder, tmp_path / "outside")
    monkeypatch.chdir(folder)  # a socket's address may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    want["socket.jpg"] = "not_a_file"
    artifact = run(workspace, folder, ImagesConfig(max_pixels=1_000_000, max_bytes=50_000))
    found = codes(workspace, artifact)
    assert {path: code for path, code in found.items() if code} == want
    assert artifact.facts["n_ok"] == 6 and artifact.facts["n_labelled"] == 6
    assert all(row["error"] for row in rows(workspace, artifact).values() if row["error_code"])


def test_odd_but_good_images_are_read(workspace: Workspace, folder: Path) -> None:
    good = {
        "cmyk.jpg": Image.new("CMYK", (9, 9)), "dot.png": Image.new("RGB", (1, 1)),
        "tall.png": Image.new("RGB", (1, 20_000)), "grey16.png": Image.new("I;16", (9, 9)),
        "palette.png": Image.new("P", (9, 9)), "upper.JPG": Image.new("RGB", (9, 9)),
    }  # fmt: skip
    for name, image in good.items():
        image.save(folder / name)
    frames = [Image.new("L", (9, 9), i % 256) for i in range(1000)]
    frames[0].save(folder / "long.gif", save_all=True, append_images=frames[1:])
    artifact = run(workspace, folder)
    assert artifact.facts["n_failed"] == 0 and artifact.facts["n_images"] == 13
    source = open_source(str(folder))
    for name in [*good, "long.gif"]:
        assert decode(source.read(name), CONFIG).mode == "RGB"


def test_a_truncated_body_is_found_when_it_is_decoded(workspace: Workspace, folder: Path) -> None:
    for name in ("cut.jpg", "cut.png"):
        data = write(folder / name, size=(90, 90)).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    found = codes(workspace, run(workspace, folder))
    source = open_source(str(folder))
    for name in ("cut.jpg", "cut.png"):
        assert found[name] is None
        with pytest.raises(Exception, match="truncated"):
            decode(source.read(name), CONFIG)


def test_an_unreadable_file_is_a_row_until_it_can_be_read(
    workspace: Workspace, folder: Path
) -> None:
    (folder / "cat/0.png").chmod(0)
    with bound_by_permissions():
        assert codes(workspace, run(workspace, folder))["cat/0.png"] == "unreadable"
    (folder / "cat/0.png").chmod(0o600)
    assert codes(workspace, run(workspace, folder))["cat/0.png"] is None


NAMES = [
    unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png"), "🐈.png",
    "new\nline.png", "quote'\".png", "'; DROP TABLE images; --.png", "-leading.png",
    "n" * 251 + ".png", "back\\slash.png", "space .png",
]  # fmt: skip


def test_names_of_every_kind_are_kept(workspace: Workspace, tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        write(tmp_path / "in" / name, seed=i)
    found = rows(workspace, run(workspace, tmp_path / "in"))
    assert sorted(found) == sorted(NAMES)
    for path, row in found.items():
        assert hash_file(tmp_path / "in" / path) == row["key"]


def test_a_name_that_is_not_utf8_is_refused_by_name(workspace: Workspace, folder: Path) -> None:
    raw = os.fsencode(folder) + b"/caf\xe9"
    try:
        Path(os.fsdecode(raw)).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    write(Path(os.fsdecode(raw + b"/a.png")))
    assert codes(workspace, run(workspace, folder))["caf\\xe9/a.png"] == "bad_name"


def test_a_deep_folder_needs_no_recursion(workspace: Workspace, folder: Path) -> None:
    deep = folder / "cat"
    for _ in range(1100):
        deep /= "d"
        deep.mkdir()
    write(deep / "x.png")
    try:
        assert run(workspace, folder).facts["n_ok"] == 7
    finally:  # what removes temporary folders does recurse
        (deep / "x.png").unlink()
        for parent in (deep, *deep.parents[:1099]):
            parent.rmdir()


def test_links_inside_the_root_count_once_for_folders_and_each_for_files(
    workspace: Workspace, folder: Path
) -> None:
    (folder / "cat/again.png").symlink_to("0.png")
    (folder / "more").symlink_to("dog")
    found = rows(workspace, run(workspace, folder))
    assert len(found) == 7 and found["cat/again.png"]["key"] == found["cat/0.png"]["key"]


def test_reading_never_leaves_the_root(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    source = open_source(str(folder))
    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "cat/../../secret.png"):
        with pytest.raises(Exception, match="outside_root"):
            source.read(path)
    with pytest.raises(Exception, match="missing"):
        source.read("gone.png")


def test_a_folder_or_pipe_in_the_place_of_a_file_is_an_image_error(folder: Path) -> None:
    source = open_source(str(folder))
    for name, make in {"cat/0.png": Path.mkdir, "dog/1.png": os.mkfifo}.items():
        (folder / name).unlink()
        make(folder / name)
        with pytest.raises(ImageError, match="not_a_file"):
            source.read(name)


def test_metadata_that_leads_out_is_not_followed(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    (folder / "metadata.csv").write_text("file_name\n../../etc/passwd\n")
    found = run(workspace, folder)
    assert found.facts["warnings"] == [
        "metadata.csv: 1 name leads out of the source, or is of no file in it"
    ]
    assert found.facts["n_labelled"] == found.rows == 6
    (folder / "metadata.csv").unlink()
    (tmp_path / "elsewhere.csv").write_text("file_name\ncat/0.png\n")
    (folder / "metadata.csv").symlink_to(tmp_path / "elsewhere.csv")
    (warning,) = run(workspace, folder).facts["warnings"]
    assert warning.startswith("metadata.csv gives no labels: it cannot be read (a link or name ")

"""Links, odd names, damage and bombs in archives: a row each, and nothing outside is read."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from archives import Members, tar_of, zip_of, zstd
from image_files import codes, rows, run
from sortal.storage.workspace import Workspace
from sortal.tasks.containers import tar, unpacked
from sortal.tasks.containers.base import Limits


def test_links_lead_to_the_bytes_they_stand_for(
    workspace: Workspace, members: Members, tmp_path: Path
) -> None:
    hard, soft = tarfile.LNKTYPE, tarfile.SYMTYPE
    links = (
        ("hard.png", hard, "d/0.png"), ("d/soft.png", soft, "0.png"), ("up.png", soft, "./d/0.png"),
        ("chain.png", soft, "hard.png"), ("folder", soft, "d"), ("gone.png", soft, "nothing.png"),
        ("out.png", soft, "../../etc/x.png"), ("abs.png", hard, "/etc/x.png"),
        ("loop.png", soft, "pool.png"), ("pool.png", soft, "loop.png"), ("notes", soft, "nowhere"),
    )  # fmt: skip
    inside = [("d/0.png", members[0][1]), ("d/1.png", members[1][1])]
    for name, data in {
        "a.tar": tar_of(inside, links=links),
        "a.tgz": gzip.compress(tar_of(inside, links=links)),
    }.items():
        (tmp_path / name).write_bytes(data)
        artifact = run(workspace, tmp_path / name)
        found = rows(workspace, artifact)
        same = ("d/0.png", "hard.png", "d/soft.png", "up.png", "chain.png")
        assert len({found[path]["key"] for path in same}) == 1 and found["up.png"]["width"] == 12
        assert {p: row["error_code"] for p, row in found.items() if row["error_code"]} == {
            "gone.png": "broken_link", "out.png": "outside_root", "abs.png": "outside_root",
            "loop.png": "link_loop", "pool.png": "link_loop",
        }  # fmt: skip
        assert artifact.facts["n_files"] == artifact.rows + sum(artifact.facts["others"].values())


def linked_zip(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("d/0.png", members[0][1])
        info = zipfile.ZipInfo("link.png")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "d/0.png")
        for name in ("../slip.png", "/abs.png", "C:\\x.png", "__MACOSX/._0.png", "Thumbs.db"):
            archive.writestr(name, members[0][1])
        archive.writestr("d/caf\u00e9.png", members[1][1])
    return out.getvalue()


def test_links_and_names_of_zips(workspace: Workspace, members: Members, tmp_path: Path) -> None:
    data = linked_zip(members)
    old = data.replace("caf\u00e9".encode(), b"caf\x82 ")  # code page 437, no flag
    flag = old.rfind(b"PK\1\2") + 8
    (tmp_path / "a.zip").write_bytes(data)
    (tmp_path / "old.zip").write_bytes(old[:flag] + b"\0\0" + old[flag + 2 :])
    for name, accented in {"a.zip": "d/caf\u00e9.png", "old.zip": "d/caf\u00e9 .png"}.items():
        artifact = run(workspace, tmp_path / name)
        found = rows(workspace, artifact)
        assert found["link.png"]["key"] == found["d/0.png"]["key"]
        assert found[accented]["status"] == "ok"
        bad = {path: row["error_code"] for path, row in found.items() if row["error_code"]}
        assert set(bad.values()) == {"outside_root"} and len(bad) == 3
        assert artifact.facts["others"]["in __MACOSX"] == 1


def encrypted(members: Members) -> bytes:
    """One member that says it is encrypted, in both of its headers."""
    data = bytearray(zip_of(members))
    data[6] |= 1
    data[data.find(b"PK\1\2") + 8] |= 1
    return bytes(data)


def other_method(members: Members) -> bytes:
    data = bytearray(zip_of(members))
    place = data.find(b"PK\1\2") + 10
    data[8:10] = data[place : place + 2] = b"\x09\0"
    return bytes(data)


def test_what_cannot_be_read_is_a_row_with_its_code(
    workspace: Workspace, members: Members, tmp_path: Path
) -> None:
    zipped, tarred = zip_of(members), tar_of(members)
    packed = gzip.compress(tarred)
    source = tmp_path / "packed"
    source.mkdir()
    for name, data in {
        "encrypted.zip": encrypted(members), "deflate64.zip": other_method(members),
        "cut.zip": zipped[: len(zipped) // 2], "cut.tar.gz": packed[: len(packed) // 2],
        "cut.tar": tarred[:1800], "empty.zip": b"", "none.zip": zip_of([]),
        "no.tar": b"no tar" * 99,
        "text.tar.gz": gzip.compress(b"no tar" * 99), "no.gz": b"no gzip", "photos.rar": b"Rar!",
        "a.z01": b"PK", "deep.zip": zip_of([("a.zip", zip_of([("b.zip", zip_of(members))]))]),
        "volume.zip": zipped[:-18] + b"\1\0\1\0" + zipped[-14:],
        "holes.tar.xz": lzma.compress(tarred)[:-400],
    }.items():  # fmt: skip
        (source / name).write_bytes(data)
    artifact = run(workspace, source)
    found = codes(workspace, artifact)
    first = members[0][0]
    bad = {path: code for path, code in found.items() if code}
    cut = [path for path in bad if ".t" in path and "/" in path]  # the members that are cut
    assert {bad.pop(path) for path in cut} == {"truncated"}
    assert bad == {
        f"encrypted.zip/{first}": "encrypted", f"deflate64.zip/{first}": "unsupported_format",
        "cut.zip": "truncated", "cut.tar": "truncated", "cut.tar.gz": "truncated",
        "empty.zip": "zero_byte", "no.tar": "unsupported_format", "text.tar.gz": "damaged",
        "no.gz": "damaged", "photos.rar": "unsupported_format", "a.z01": "unsupported_format",
        "deep.zip/a.zip/b.zip": "nested", "volume.zip": "unsupported_format",
        "holes.tar.xz": "truncated",
    }  # fmt: skip
    assert sum(code is None for path, code in found.items() if path.startswith("encrypted")) == 5
    assert artifact.facts["n_files"] == artifact.rows + sum(artifact.facts["others"].values())


def test_a_single_compressed_image_is_one(
    workspace: Workspace, members: Members, tmp_path: Path
) -> None:
    (tmp_path / "packed").mkdir()
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}
    for number, (ending, pack) in enumerate(packers.items()):
        (tmp_path / "packed" / f"{number}.png.{ending}").write_bytes(pack(members[number][1]))
    (tmp_path / "packed/notes.txt.gz").write_bytes(gzip.compress(b"hello"))
    found = rows(workspace, run(workspace, tmp_path / "packed"))
    assert [row["status"] for row in found.values()] == ["ok"] * 4
    assert "0.png.gz/0.png" in found


def test_bombs_are_refused(
    workspace: Workspace, members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a ratio, of overlapping members, and of too many members."""
    (tmp_path / "packed").mkdir()
    monkeypatch.setattr(unpacked, "LIMITS", Limits(ratio=100, free=1 << 20))
    monkeypatch.setattr(tar, "LIMITS", Limits(members=3))
    zeros = tar_of([("0.png", members[0][1]), ("zeros.png", bytes(8 << 20))])
    (tmp_path / "packed/ratio.tar.gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "packed/many.tar").write_bytes(tar_of(members))
    data = zip_of(members)
    start, end = data.find(b"PK\1\2"), data.rfind(b"PK\5\6")
    doubled = data[start:end] * 40  # every member forty times
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 240, 240, len(doubled), start, 0)
    (tmp_path / "packed/overlap.zip").write_bytes(data[:start] + doubled + tail)
    found = codes(workspace, run(workspace, tmp_path / "packed"))
    assert {path: code for path, code in found.items() if "/" not in path} == {
        "many.tar": "bomb", "overlap.zip": "bomb", "ratio.tar.gz": "bomb"
    }  # fmt: skip
    assert found[f"many.tar/{members[0][0]}"] is None

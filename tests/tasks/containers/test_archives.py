"""Archives of every kind: what is in them is read, and what cannot be is a row with its code."""

import bz2
import gzip
import lzma
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import Members, parquet_of, tar_of, zip_of, zstd
from image_files import rows, run
from sortal.storage.workspace import Workspace
from sortal.tasks.sources.registry import open_source

PACKED: dict[str, Callable[[Members], bytes]] = {
    "a.tar": tar_of,
    "a.tar.gz": lambda m: gzip.compress(tar_of(m)),
    "A.TAR.GZ": lambda m: gzip.compress(tar_of(m)),
    "a.tgz": lambda m: gzip.compress(tar_of(m)),
    "joined.tgz": lambda m: gzip.compress(tar_of(m)[:5000]) + gzip.compress(tar_of(m)[5000:]),
    "a.tar.bz2": lambda m: bz2.compress(tar_of(m)),
    "a.tbz2": lambda m: bz2.compress(tar_of(m)),
    "a.tar.xz": lambda m: lzma.compress(tar_of(m)),
    "a.txz": lambda m: lzma.compress(tar_of(m)),
    "a.tar.zst": lambda m: zstd(tar_of(m)),
    "gzipped.tar": lambda m: gzip.compress(tar_of(m)),  # the bytes decide
    "plain.tar.gz": tar_of,
    "a.zip": zip_of,
    "A.ZIP": zip_of,
    "a.cbz": zip_of,
    "stored.zip": lambda m: zip_of(m, zipfile.ZIP_STORED),
    "bz2.zip": lambda m: zip_of(m, zipfile.ZIP_BZIP2),
    "lzma.zip": lambda m: zip_of(m, zipfile.ZIP_LZMA),
    "described.zip": lambda m: zip_of(m, stream=True),
    "self-extracting.zip": lambda m: b"MZ" + b"\0" * 999 + zip_of(m),
    "commented.zip": lambda m: zip_of(m)[:-2] + struct.pack("<H", 5) + b"hello",
    "photos.tar.1": tar_of,  # a download once more
    "download?file=a.zip": zip_of,
    "no_ending": zip_of,
    "t.tar.in.zip": lambda m: zip_of([("t.tar", tar_of(m))]),
    "z.zip.in.tar": lambda m: tar_of([("z.zip", zip_of(m))]),
    "z.zip.in.zip": lambda m: zip_of([("in/z.zip", zip_of(m))]),
    "t.tgz.in.zip": lambda m: zip_of([("t.tgz", gzip.compress(tar_of(m)))]),
    "z.zip.in.tar.gz": lambda m: gzip.compress(tar_of([("z.zip", zip_of(m))])),
    "z.zip.gz": lambda m: gzip.compress(zip_of(m)),
    "p.parquet.in.zip": lambda m: zip_of([("p.parquet", parquet_of(m))]),
    "p.parquet.in.tar": lambda m: tar_of([("p.parquet", parquet_of(m))]),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("alone", [True, False])
def test_every_image_of_an_archive_is_read(
    workspace: Workspace, members: Members, tmp_path: Path, name: str, alone: bool
) -> None:
    path = tmp_path / "packed" / name.replace(".in.", "-in.")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(PACKED[name](members))
    artifact = run(workspace, path if alone else path.parent)
    found = rows(workspace, artifact)
    assert [row["error"] for row in found.values()] == [None] * 6
    source = pickle.loads(pickle.dumps(open_source(str(path if alone else path.parent))))
    data = dict(members)
    for (where, row), (_, wanted) in zip(reversed(found.items()), reversed(members), strict=True):
        assert source.read(where, row["offset"], row["bytes"]) == wanted
        assert ".parquet" in where or data[where.rpartition("/")[2]] == wanted
    facts = artifact.facts
    assert facts["n_files"] == 6 + sum(facts["others"].values())

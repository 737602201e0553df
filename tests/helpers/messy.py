"""Sources as people have them, each with what a person expects of it."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from scenes import jpeg, picture, put, write_parquet, write_tar, write_zip

JPEGS = [jpeg(number) for number in range(6)]
NAMES = [f"{number}.jpg" for number in range(6)]
LABELS = "aabbcc"
ABC = frozenset("abc")
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Expected:
    """What a scan of a source must find."""

    images: int = 6
    labels: frozenset[str] | None = None
    failed: int = 0
    source: str = ""  # below the case's folder


CASES: dict[str, tuple[Callable[[Path], None], Expected]] = {}


def case(name: str, expected: Expected) -> Callable[[Callable[[Path], None]], None]:
    """Registers a function that writes a case's files into a folder."""

    def register(write: Callable[[Path], None]) -> None:
        CASES[name] = write, expected

    return register


def photos(folder: Path, names: list[str] = NAMES) -> None:
    """The six pictures under these names."""
    for name, data in zip(names, JPEGS, strict=False):
        put(folder / name, data)


def table(
    separator: str = ",",
    head: str = "file_name{}label",
    name: Callable[[str], str] = str,
) -> str:
    """A label table of the six pictures."""
    rows = (f"{name(n)}{separator}{label}\n" for n, label in zip(NAMES, LABELS, strict=True))
    return head.format(separator) + "\n" + "".join(rows)


def structs(images: list[bytes]) -> pa.Array:
    """Images as the Hugging Face library writes them."""
    return pa.array([{"bytes": data, "path": "a.jpg"} for data in images], STRUCT)


TABLES: dict[str, bytes | str] = {
    "semicolon": table(";"),
    "tab": table("\t"),
    "utf16": table().encode("utf-16"),
    "header in capitals": table(head="File_Name{}Label"),
    "column filename": table(head="filename{}label"),
    "names in capitals": table(name=str.upper),
    "blank before the name": table(name=lambda n: " " + n),
    "long field": "file_name,text,label\n"
    + "".join(f'{n},"{"x" * 140_000}",{label}\n' for n, label in zip(NAMES, LABELS, strict=True)),
}
for title, text in TABLES.items():

    @case(f"table: {title}", Expected(labels=ABC))
    def _(folder: Path, text: bytes | str = text) -> None:
        photos(folder)
        put(folder / "metadata.csv", text)


@case("table: backslashes", Expected(labels=ABC))
def _(folder: Path) -> None:
    photos(folder, ["s/" + name for name in NAMES])
    put(folder / "metadata.csv", table(name=lambda n: "s\\" + n))


@case("table: composed names, decomposed files", Expected(labels=ABC))
def _(folder: Path) -> None:
    photos(folder, [unicodedata.normalize("NFD", f"é{name}") for name in NAMES])
    put(folder / "metadata.csv", table(name=lambda n: unicodedata.normalize("NFC", "é" + n)))


@case("table: labels that are numbers", Expected(labels=frozenset({"97.0", "98.0", "99.0"})))
def _(folder: Path) -> None:
    photos(folder)
    rows = zip(NAMES, LABELS, strict=True)
    lines = [json.dumps({"file_name": name, "label": float(ord(label))}) for name, label in rows]
    put(folder / "metadata.jsonl", "\n".join(lines))


@case("table: unusable", Expected())
def _(folder: Path) -> None:
    photos(folder)
    put(folder / "metadata.csv", "no,such\ncolumns,here\n")


@case("splits above classes", Expected(labels=frozenset({"cat", "dog"})))
def _(folder: Path) -> None:
    places = zip(NAMES, ["train"] * 3 + ["test"] * 3, ["cat", "cat", "dog"] * 2, strict=True)
    photos(folder, [f"{split}/{label}/{name}" for name, split, label in places])


@case("splits with a table each", Expected(labels=frozenset({"cat", "dog"})))
def _(folder: Path) -> None:
    for split, names in (("train", NAMES[:3]), ("test", NAMES[3:])):
        rows = (f"{name},{'cat' if i else 'dog'}\n" for i, name in enumerate(names))
        put(folder / split / "metadata.csv", "file_name,label\n" + "".join(rows))
    photos(folder, [f"{'train' if i < 3 else 'test'}/{name}" for i, name in enumerate(NAMES)])


@case("splits in a tar", Expected(labels=frozenset("ab"), source="s.tar"))
def _(folder: Path) -> None:
    members = [(f"data/train/{'ab'[i % 2]}/{i}.jpg", data) for i, data in enumerate(JPEGS)]
    write_tar(folder / "s.tar", members)


@case("a plain and a compressed tar", Expected())
def _(folder: Path) -> None:
    write_tar(folder / "a.tar", zip(NAMES[:3], JPEGS, strict=False))
    write_tar(folder / "b.tar.gz", zip(NAMES[3:], JPEGS[3:], strict=True), "w:gz")


@case("a compressed tar", Expected())
def _(folder: Path) -> None:
    write_tar(folder / "a.tar.gz", zip(NAMES, JPEGS, strict=True), "w:gz")


@case("a dataset repository", Expected(labels=frozenset("01")))
def _(folder: Path) -> None:
    for name, images in (("train", JPEGS[:3]), ("test", JPEGS[3:])):
        path = folder / f"data/{name}-00000-of-00001.parquet"
        write_parquet(path, image=structs(images), label=[0, 1, 0])
    put(folder / "thumbnail.jpg", jpeg(40))
    put(folder / "README.md", "# card\n")


@case("a zip", Expected())
def _(folder: Path) -> None:
    members = ((f"holiday/{name}", data) for name, data in zip(NAMES, JPEGS, strict=True))
    write_zip(folder / "z.zip", members)


@case("a hard link in a tar", Expected(images=4, source="h.tar"))
def _(folder: Path) -> None:
    write_tar(folder / "h.tar", [*zip(NAMES[:3], JPEGS, strict=False), ("h.jpg", "0.jpg")])


@case("several images of a key", Expected(labels=frozenset("012"), source="w.tar"))
def _(folder: Path) -> None:
    members: list[tuple[str, bytes | str]] = []
    for i in range(3):
        members += [(f"{i:03d}.left.jpg", JPEGS[i]), (f"{i:03d}.right.jpg", JPEGS[i + 3])]
        members += [(f"{i:03d}.cls", b"%d" % i)]
    write_tar(folder / "w.tar", members)


@case("labels in json sidecars", Expected(labels=frozenset({"cat0", "cat1"}), source="w.tar"))
def _(folder: Path) -> None:
    members: list[tuple[str, bytes | str]] = []
    for i, data in enumerate(JPEGS):
        members += [(f"s{i}.jpg", data), (f"s{i}.json", b'{"label": "cat%d"}' % (i % 2))]
    write_tar(folder / "w.tar", members)


COLUMNS = {
    "dictionary": ("image", pa.array(JPEGS, pa.binary()).dictionary_encode()),
    "large": ("image", pa.array(JPEGS, pa.large_binary())),
    "image_bytes": ("image_bytes", pa.array(JPEGS, pa.binary())),
    "content": ("content", pa.array(JPEGS, pa.binary())),
    "in capitals": ("Image", structs(JPEGS)),
    "list": ("images", pa.array([[{"bytes": b, "path": "a"}] for b in JPEGS], pa.list_(STRUCT))),
}
for title, (column, values) in COLUMNS.items():

    @case(f"Parquet column: {title}", Expected())
    def _(folder: Path, column: str = column, values: pa.Array = values) -> None:
        write_parquet(folder / "x.parquet", **{column: values})


@case("Parquet in capitals", Expected())
def _(folder: Path) -> None:
    write_parquet(folder / "X.PARQUET", image=structs(JPEGS))


@case("the folders of a NAS", Expected(images=4))
def _(folder: Path) -> None:
    for i in range(4):
        name = f"IMG_{i}.jpg"
        put(folder / name, JPEGS[i])
        put(folder / "@eaDir" / name / "SYNOPHOTO_THUMB_M.jpg", jpeg(50 + i))
        put(folder / f"._{name}", b"\0\5\x16\7" + b"\0" * 90)
    for name in ("#recycle/gone.jpg", "$RECYCLE.BIN/$R1.jpg", ".thumbnails/t.jpg"):
        put(folder / name, jpeg(60))
    put(folder / "Thumbs.db", "x")


@case("odd names", Expected(failed=3))
def _(folder: Path) -> None:
    photos(folder, [*NAMES[:3], "no_extension", "photo.jpg?w=200", "photo.jpg.1"])
    put(folder / "raw.CR2", b"II*\0" + np.random.default_rng(0).bytes(500))
    put(folder / "raw.nef", np.random.default_rng(1).bytes(500))
    put(folder / "art.psd", b"8BPS" + b"\0" * 50)
    put(folder / "notes.txt", "hello")


@case("bit depths", Expected(images=4))
def _(folder: Path) -> None:
    grey = np.asarray(picture(3).convert("L"))
    sixteen = grey.astype(np.uint16)
    folder.mkdir(parents=True)
    files = {"8.png": grey, "16.png": sixteen * 257, "12.png": sixteen * 16, "12.tif": sixteen * 16}
    for name, values in files.items():
        Image.fromarray(values).save(folder / name)


@case("cut files", Expected(images=3))  # half a picture is found when it is decoded
def _(folder: Path) -> None:
    put(folder / "cut2.jpg", JPEGS[0][:-2])
    put(folder / "half.jpg", JPEGS[1][: len(JPEGS[1]) // 2])
    put(folder / "whole.jpg", JPEGS[2])


@case("turned pictures", Expected(images=3))
def _(folder: Path) -> None:
    folder.mkdir(parents=True)
    upright = picture(5)
    exif = Image.Exif()
    exif[274] = 6
    upright.save(folder / "upright.jpg", quality=95)
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / "turned.jpg", quality=95, exif=exif)
    turned.save(folder / "turned.png", exif=exif)

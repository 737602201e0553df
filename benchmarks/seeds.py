"""One sound file of every kind that is read, drawn here, for `fuzz.py` to break."""

import io
import json
import sys
import tarfile
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from profiles import ADOBE_RGB, dng, red_cmyk_profile, rgb_profile

CONTAINERS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip", ".parquet",
              ".arrow", ".feather", ".csv", ".jsonl", ".txt", ".json")  # fmt: skip


def scene(width: int = 96, height: int = 72) -> Image.Image:
    """A picture with gradients and edges."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    values = np.stack([(3 * across + 40 * c + down * (c + 1)) % 220 for c in range(3)], -1)
    values[: height // 3, : width // 4] = (250, 20, 20)
    return Image.fromarray(values.astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image file's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar's bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip's bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@lru_cache(maxsize=1)
def seeds() -> dict[str, bytes]:
    """Name -> bytes of every sound file."""
    found = {**_common(), **_extra()}
    few = dict(list(found.items())[:4])
    return {**found, **_containers(few)}


def _common() -> dict[str, bytes]:
    image, grey = scene(), np.asarray(scene().convert("L"))
    exif = Image.Exif()
    exif[271], exif[274] = "Canon", 6
    exif.get_ifd(0x8769)[36867] = "2021:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 30.0), 3: "E", 4: (151.0, 12.0, 0.0)})
    frames = [Image.new("RGB", image.size), image, image.rotate(9)]
    more = {"save_all": True, "append_images": frames[1:]}
    palette, clear = image.quantize(16), image.convert("RGBA")
    clear.putalpha(120)
    deep, real = (
        Image.fromarray(grey.astype(np.uint16) * 16),
        Image.fromarray(grey / np.float32(255)),
    )
    wide = rgb_profile(*ADOBE_RGB)
    return {
        "plain.jpg": saved(image, "JPEG"),
        "exif.jpg": saved(image, "JPEG", exif=exif, icc_profile=wide),
        "progressive.jpg": saved(image, "JPEG", progressive=True),
        "restarts.jpg": saved(image, "JPEG", restart_marker_blocks=2),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG", icc_profile=red_cmyk_profile()),
        "two.mpo.jpg": saved(image, "MPO", save_all=True, append_images=[image]),
        "grey8.png": saved(Image.fromarray(grey), "PNG"),
        "colour.png": saved(image, "PNG", exif=exif, icc_profile=wide),
        "deep.png": saved(deep, "PNG"),
        "palette.png": saved(palette, "PNG", transparency=1),
        "clear.png": saved(clear, "PNG"),
        "moving.png": saved(frames[0], "PNG", **more),
        "plain.webp": saved(image, "WEBP", exif=exif),
        "moving.webp": saved(frames[0], "WEBP", **more),
        "moving.gif": saved(frames[0], "GIF", **more),
        "plain.bmp": saved(image, "BMP"),
        "raw.tif": saved(image, "TIFF", exif=exif),
        "lzw.tif": saved(image, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": saved(image, "TIFF", compression="jpeg"),
        "deep.tif": saved(deep, "TIFF", compression="tiff_deflate"),
        "real.tif": saved(real, "TIFF"),
        "lab.tif": saved(Image.new("LAB", (40, 30), (120, 140, 90)), "TIFF"),
        "plain.ppm": saved(image, "PPM"),
        "deep.pgm": saved(deep, "PPM"),
        "plain.avif": saved(image, "AVIF", exif=exif),
        "drawing.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "art.psd": b"8BPS\0\1" + bytes(60),
    }  # fmt: skip


def _extra() -> dict[str, bytes]:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    image = scene()
    large = saved(scene(640, 480), "JPEG", quality=40)
    return {
        "plain.heic": saved(image, "HEIF"),
        "clear.heic": saved(image.convert("RGBA"), "HEIF"),
        "plain.jxl": saved(image, "JXL"),
        "boxed.jxl": saved(image, "JXL", use_container=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
        "mosaic.dng": dng(),
        "preview.dng": dng(large, orientation=6),
        "raw.nef": dng(large),
    }


def _containers(few: dict[str, bytes]) -> dict[str, bytes]:
    labels = {name: f"class {place % 2}" for place, name in enumerate(few)}
    keyed = {
        f"{place:03}.{suffix}": data
        for place, image in enumerate(few.values())
        for suffix, data in (("jpg", image), ("cls", b"1"), ("json", b'{"label": "a"}'))
    }
    rows = [{"bytes": data, "path": name} for name, data in few.items()]
    table = pa.table({"image": rows, "label": list(labels.values())})
    out, arrow = io.BytesIO(), io.BytesIO()
    pq.write_table(table, out)
    feather.write_feather(table, arrow)
    lines = "".join(json.dumps({"file_name": n, "label": one}) + "\n" for n, one in labels.items())
    listed = "file_name,label\n" + "".join(f"{n},{one}\n" for n, one in labels.items())
    return {
        "plain.tar": tar(few),
        "shard.tar": tar(keyed),
        "packed.tar.gz": tar(few, "w:gz"),
        "packed.tar.bz2": tar(few, "w:bz2"),
        "packed.tar.xz": tar(few, "w:xz"),
        "plain.zip": packed(few, zipfile.ZIP_STORED),
        "packed.zip": packed(few),
        "nested.zip": packed({"inner.zip": packed(few), "inner.tar": tar(few), **few}),
        "rows.parquet": out.getvalue(),
        "rows.arrow": arrow.getvalue(),
        "metadata.csv": listed.encode(),
        "metadata.jsonl": lines.encode(),
    }

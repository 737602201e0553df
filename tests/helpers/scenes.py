"""Drawn pictures that all differ, and the files and containers that tests put them into."""

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw


def picture(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A scene of gradients and shapes that differs for every number."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    channels = [(x * (number % 3 + 1) + 40 * c + y * ((number + c) % 2)) % 200 for c in range(3)]
    image = Image.fromarray(np.stack(channels, -1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    shape = draw.ellipse if number % 2 else draw.rectangle
    for _ in range(4):
        left, right = (int(v) for v in np.sort(rng.integers(0, size[0], 2)))
        top, bottom = (int(v) for v in np.sort(rng.integers(0, size[1], 2)))
        fill = tuple(int(v) for v in rng.integers(0, 255, 3))
        shape([left, top, right + 5, bottom + 5], fill=fill)
    return image


def jpeg(number: int) -> bytes:
    """The bytes of a drawn picture."""
    out = io.BytesIO()
    picture(number).save(out, "JPEG", quality=92)
    return out.getvalue()


def put(path: Path, data: bytes | str) -> Path:
    """A file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def write_tar(path: Path, members: Iterable[tuple[str, bytes | str]], mode: str = "w") -> Path:
    """A tar file; a member given as text is a hard link to that member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.LNKTYPE, data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A zip file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def write_parquet(path: Path, **columns: object) -> Path:
    """A Parquet file of these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path

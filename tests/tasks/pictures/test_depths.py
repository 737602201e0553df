import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.tasks.pictures.decode import decode

CONFIG = ImagesConfig()
ACROSS, DOWN = np.meshgrid(np.arange(60), np.arange(40))
COLOUR = np.stack([(3 * ACROSS + 40 * c + 2 * DOWN) % 200 for c in range(3)], -1).astype(np.uint8)
GREY = COLOUR[..., 0]
BITS = {"8": 1, "10": 4, "12": 16, "14": 64, "16": 257}


def saved(values: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    return file.getvalue()


def png(values: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write for several channels."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    size = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(values: np.ndarray, order: str) -> bytes:
    height, width, count = values.shape
    data = values.astype(order + "u2").tobytes()
    rows = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, count, 134), (259, 3, 1, 1),
            (262, 3, 1, 2), (273, 4, 1, 134 + 2 * count), (277, 3, 1, count),
            (278, 4, 1, height), (279, 4, 1, len(data)), (284, 3, 1, 1))  # fmt: skip
    table = struct.pack(order + "H", len(rows))
    for tag, kind, number, value in rows:
        short = kind == 3 and number == 1
        table += struct.pack(order + ("HHIHxx" if short else "HHII"), tag, kind, number, value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    depth = struct.pack(f"{order}{count}H", *[16] * count)
    return head + table + b"\0\0\0\0" + depth + data


def distance(data: bytes, wanted: np.ndarray) -> float:
    found = np.asarray(decode(data, CONFIG)).astype(int)
    return float(np.abs(found - (wanted if wanted.ndim == 3 else wanted[..., None])).max())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", BITS)
def test_grey_of_any_depth_in_16_bits_looks_like_8(kind, bits):
    assert distance(saved(GREY.astype(np.uint16) * BITS[bits], kind), GREY) <= 1


@pytest.mark.parametrize("bits", BITS)
def test_colour_of_any_depth_in_16_bits_looks_like_8(bits):
    deep = COLOUR.astype(np.uint16) * BITS[bits]
    full = np.full((*GREY.shape, 1), 65535, np.uint16)
    for data in (
        png(deep, 2),
        png(np.concatenate([deep, full], -1), 6),
        tiff(deep, "<"),
        tiff(deep, ">"),
    ):
        assert distance(data, COLOUR) <= 1
    assert distance(png(np.concatenate([deep[..., :1], full], -1), 4), GREY) <= 1


@pytest.mark.parametrize("scale", [1 / 255, 1.0, 16.0, 257.0, 1.05 / 255])
def test_floats_are_read_by_their_range(scale):
    light = np.where(GREY > 195, 255, GREY)
    wanted = light if scale != 1.05 / 255 else np.clip(light * 1.05, 0, 255)
    assert distance(saved(light.astype(np.float32) * np.float32(scale), "TIFF"), wanted) <= 2


@pytest.mark.parametrize("bits", [20, 24, 31])
def test_whole_numbers_of_32_bits_are_read_by_the_bits_they_use(bits):
    values = (GREY.astype(np.int64) * (2**bits - 1) // 255).astype(np.int32)
    values[0, 0] = 2**bits - 1
    wanted = GREY.copy()
    wanted[0, 0] = 255
    assert distance(saved(values, "TIFF"), wanted) <= 1


def test_negative_levels_are_stretched_and_what_is_no_number_is_black():
    values = np.linspace(-1000, 3000, 60 * 40, dtype=np.float32).reshape(40, 60)
    values[0, :3] = (np.nan, np.inf, -np.inf)
    picture = np.asarray(decode(saved(values, "TIFF"), CONFIG))[..., 0]
    assert picture[1, 0] < 10 and picture[-1, -1] > 245 and picture[0, 0] == 0
    assert np.all(np.diff(picture[1:].ravel().astype(int)) >= 0)

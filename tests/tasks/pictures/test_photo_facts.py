import io
import struct
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.tasks.pictures.decode import decode
from sortal.tasks.pictures.exif import Photo, read_photo
from sortal.tasks.pictures.header import read_header

CONFIG = ImagesConfig()
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "JXL", "MPO")


def upright() -> Image.Image:
    image = Image.new("RGB", (160, 120), (0, 0, 200))
    image.paste((200, 0, 0), (0, 0, 60, 40))
    return image


def block(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[271], exif[272], exif[274] = "Canon\0", " EOS R5 ", orientation
    exif.get_ifd(0x8769)[36867] = "2021:05:06 07:08:09"
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "S", (33.0, 51.0, 30.0), "E", (151.0, 12.0, 0.0)
    return exif.tobytes()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_size_is_that_of_the_upright_picture_and_so_is_the_picture(kind):
    data = saved(upright().transpose(Image.Transpose.ROTATE_90), kind, exif=block())
    header, picture = read_header(io.BytesIO(data), CONFIG), decode(data, CONFIG)
    assert (header.width, header.height) == picture.size == (160, 120)
    assert header.photo.orientation == 6
    assert picture.getpixel((20, 20))[0] > 150 > picture.getpixel((140, 20))[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_ends_upright(orientation):
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    turned = upright() if back is None else upright().transpose(Image.Transpose(back))
    for kind in ("JPEG", "PNG"):
        picture = decode(saved(turned, kind, exif=block(orientation)), CONFIG)
        assert picture.size == (160, 120)
        assert picture.getpixel((20, 20))[0] > 150 > picture.getpixel((140, 100))[0]


def test_exif_behind_a_pngs_pixels_counts():
    data = saved(upright().transpose(Image.Transpose.ROTATE_90), "PNG", exif=block())
    start = data.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[stop:-12] + data[start:stop] + data[-12:]
    assert read_header(io.BytesIO(late), CONFIG)[:2] == decode(late, CONFIG).size == (160, 120)


def test_xmp_says_the_orientation_where_exif_does_not():
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = saved(upright().transpose(Image.Transpose.ROTATE_90), "JPEG", xmp=packet)
    assert read_header(io.BytesIO(data), CONFIG)[:2] == decode(data, CONFIG).size == (160, 120)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "TIFF"])
def test_time_camera_and_place_are_read(kind):
    header = read_header(io.BytesIO(saved(upright(), kind, exif=block(1))), CONFIG)
    assert header.photo.taken_at == datetime(2021, 5, 6, 7, 8, 9)
    assert (header.photo.camera_make, header.photo.camera_model) == ("Canon", "EOS R5")
    assert header.photo.latitude == pytest.approx(-33.85833, abs=1e-4)
    assert header.photo.longitude == pytest.approx(151.2)


def directory(*entries: tuple[int, int, int, bytes]) -> bytes:
    rows = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + b"\0\0\0\0"


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"II*\0\xff\xff\xff\xff" + b"\0" * 20,
        directory((274, 3, 1, b"\x09\0\0\0"), (306, 2, 20, b"\xff\xff\xff\x7f")),
        directory(
            (0x8769, 4, 1, b"\x08\0\0\0"), (0x8825, 4, 1, b"\x08\0\0\0")
        ),  # lead to themselves
        directory((271, 2, 4, b"\0\0\0\0"), (272, 7, 4, b"\x1b\x01\x02\x03")),
        directory((306, 2, 0xFFFFFFFF, b"\x08\0\0\0")),
    ],
)
def test_nonsense_says_nothing(exif):
    assert read_photo(exif) == Photo()


@pytest.mark.parametrize(
    "text", ["0000:00:00 00:00:00", "2021:13:45 99:00:00", "yesterday", "    "]
)
def test_a_time_that_is_none_is_left_out(text):
    exif = Image.Exif()
    exif[306] = text
    assert read_photo(exif.tobytes()).taken_at is None


def test_a_place_beyond_the_poles_or_at_zero_is_left_out():
    for north in ((91.0, 0.0, 0.0), (0.0, 0.0, 0.0)):
        exif = Image.Exif()
        exif.get_ifd(0x8825).update({1: "N", 2: north, 3: "E", 4: (0.0, 0.0, 0.0)})
        assert read_photo(exif.tobytes()).latitude is None


@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_bytes_stop_the_reading_of_facts(noise, at):
    exif = bytearray(block())
    exif[at : at + len(noise)] = noise
    assert isinstance(read_photo(bytes(exif)), Photo)

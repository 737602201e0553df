import io
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.pictures.decode import decode, middle
from sortal.tasks.pictures.header import read_header
from sortal.tasks.pictures.opening import FORMATS

CONFIG = ImagesConfig()


def noise(width: int = 40, height: int = 30) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def code_of(data: bytes, config: ImagesConfig = CONFIG) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, config)
    assert caught.value.message
    return caught.value.code.value


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_read_and_its_header_agrees(kind: str) -> None:
    data = saved(noise(), kind)
    image = decode(data, CONFIG)
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert read_header(io.BytesIO(data), CONFIG)[:3] == (40, 30, kind)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_a_file_cut_in_half_is_truncated(kind: str) -> None:
    data = saved(noise(), kind)
    assert code_of(data[: len(data) // 2]) == "truncated"


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    for data in (
        saved(clear, "PNG"),
        saved(Image.new("LA", (4, 4), (0, 0)), "PNG"),
        saved(palette, "PNG", transparency=0),
        saved(palette, "GIF", transparency=0),
    ):
        assert decode(data, CONFIG).getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    image = decode(saved(Image.fromarray(values), kind), CONFIG)
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floats_are_scaled_and_nan_is_black() -> None:
    unit = np.array([[0.0, 0.5, 1.0, np.nan]], dtype=np.float32)
    wide = np.array([[-1000.0, 0.0, 1000.0]], dtype=np.float32)
    for values, want in ((unit, [0, 128, 255, 0]), (wide, [0, 128, 255])):
        image = decode(saved(Image.fromarray(values), "TIFF"), CONFIG)
        assert np.asarray(image)[0, :, 0].tolist() == want


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("RGB", (8, 8), (250, 10, 10)).convert("CMYK")
    pixel = decode(saved(red, "JPEG"), CONFIG).getpixel((4, 4))
    assert np.abs(np.array(pixel) - [250, 10, 10]).max() < 12


def test_exif_rotation_is_applied_and_broken_exif_is_no_reason_to_fail() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(saved(noise(), "JPEG", exif=exif.tobytes()), CONFIG).size == (30, 40)
    assert decode(saved(noise(), "JPEG", exif=b"Exif\0\0II*\0garbage"), CONFIG).size == (40, 30)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_only_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), (0, 0, 4 * i)) for i in range(50)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert decode(data, CONFIG).getpixel((3, 3)) == (0, 0, 0)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    data = saved(Image.new("1", (1000, 1000)), "PNG")
    small = ImagesConfig(max_pixels=999_999)
    assert code_of(data, small) == "too_many_pixels"
    with pytest.raises(ImageError, match="too_many_pixels"):
        read_header(io.BytesIO(data), small)
    assert decode(data, ImagesConfig(max_pixels=1_000_000)).size == (1000, 1000)


def test_a_gif_frame_larger_than_its_header_says_is_refused() -> None:
    data = bytearray(saved(Image.new("L", (2000, 2000)), "GIF"))
    data[6:10] = b"\x01\0\x01\0"
    assert code_of(bytes(data), ImagesConfig(max_pixels=1_000_000)) == "too_many_pixels"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "zero_byte"),
        (b"hello, I am a text\n" * 9, "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" + b" " * 99, "unsupported_format"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 99, "damaged"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 99, "unsupported_format"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "damaged"),
        (b"\xff\xd8\xff", "truncated"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, code: str) -> None:
    assert code_of(data) == code


@given(st.binary(max_size=200), st.sampled_from(["", *FORMATS]))
def test_bytes_of_any_kind_end_in_an_image_or_a_code(data: bytes, kind: str) -> None:
    head = saved(noise(4, 4), kind)[: 200 - len(data)] if kind else b""
    try:
        assert decode(head + data, CONFIG).mode == "RGB"
    except ImageError as error:
        assert error.code in Code


def test_an_error_survives_the_way_out_of_a_worker() -> None:
    error = pickle.loads(pickle.dumps(ImageError(Code.TRUNCATED, "cut")))
    assert (error.code, error.message) == (Code.TRUNCATED, "cut")
    assert all(code.meaning for code in Code)


@given(st.integers(1, 400), st.integers(1, 400))
def test_only_very_long_images_are_cut_to_their_middle(width, height):
    image = middle(Image.new("L", (width, height)), aspect=8)
    short, long = sorted(image.size)
    assert short == min(width, height)
    assert long == min(max(width, height), 8 * short)


def test_the_middle_is_the_middle():
    values = np.zeros((1, 21), np.uint8)
    values[0, 10] = 255
    assert np.asarray(middle(Image.fromarray(values), aspect=3)).tolist() == [[0, 255, 0]]

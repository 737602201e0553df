import io
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from profiles import dng
from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import ImageError
from sortal.tasks.pictures import child, extra
from sortal.tasks.pictures.child import CHILDREN
from sortal.tasks.pictures.decode import decode
from sortal.tasks.pictures.header import read_header

CONFIG = ImagesConfig()


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> bytes:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).convert(mode).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["HEIF", "JXL"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_heic_and_jpeg_xl_are_read(kind, mode):
    data = saved(kind, mode)
    picture = decode(data, CONFIG)
    assert (picture.mode, picture.size) == ("RGB", (64, 48))
    assert read_header(io.BytesIO(data), CONFIG)[:3] == (64, 48, kind)
    wanted = (10, 200, 30) if mode.startswith("RGB") else (124, 124, 124)
    assert max(abs(a - b) for a, b in zip(picture.getpixel((9, 9)), wanted, strict=True)) < 8


@pytest.mark.parametrize("kind", ["HEIF", "JXL"])
def test_a_large_picture_is_refused_before_it_is_decoded(kind):
    small = ImagesConfig(max_pixels=1000)
    for read in (
        lambda data: decode(data, small),
        lambda data: read_header(io.BytesIO(data), small),
    ):
        with pytest.raises(ImageError, match="too_many_pixels"):
            read(saved(kind))


@pytest.mark.parametrize("kind", ["HEIF", "JXL"])
def test_half_a_file_is_not_read(kind):
    data = saved(kind)
    with pytest.raises(ImageError, match="truncated|damaged"):
        decode(data[: len(data) // 2], CONFIG)


def test_a_raw_file_gives_its_preview_upright():
    file = io.BytesIO()
    preview = Image.new("RGB", (960, 640), (200, 30, 30))
    preview.paste((0, 0, 250), (0, 0, 300, 200))
    preview.save(file, "JPEG")
    data = dng(file.getvalue(), orientation=6)
    picture, header = decode(data, CONFIG), read_header(io.BytesIO(data), CONFIG)
    assert picture.size == (640, 960)
    assert picture.getpixel((600, 20))[2] > 200 > 100 > picture.getpixel((20, 20))[2]
    assert header[:3] == (64, 96, "RAW")
    assert (header.photo.camera_model, header.photo.taken_at.year) == ("Test 1", 2024)


def test_a_raw_file_without_a_preview_is_developed_upright():
    picture = decode(dng(orientation=8), CONFIG)
    assert picture.size == (64, 96)
    red, green, blue = picture.getpixel((20, 20))
    assert green > red + 50 and green > blue + 50


RAW_HEADS = {
    "cr2": b"II*\0\x10\0\0\0CR\2\0", "nef": b"MM\0*", "raf": b"FUJIFILMCCD-RAW 0201",
    "orf": b"IIRO", "rw2": b"IIU\0", "cr3": b"\0\0\0\x18ftypcrx ", "none": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", RAW_HEADS)
def test_junk_that_calls_itself_raw_is_a_failure(name):
    data = RAW_HEADS[name] + os.urandom(500)
    for read in (lambda: decode(data, CONFIG), lambda: read_header(io.BytesIO(data), CONFIG)):
        with pytest.raises(ImageError):
            read()


@pytest.mark.parametrize("make", [lambda: saved("HEIF"), lambda: saved("JXL"), dng])
def test_without_the_extra_a_failure_says_what_to_install(make, monkeypatch):
    data = make()
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    assert not any(extra.installed().values())
    for read in (lambda: decode(data, CONFIG), lambda: read_header(io.BytesIO(data), CONFIG)):
        with pytest.raises(ImageError, match="unsupported_format") as caught:
            read()
        assert 'pip install "sortal[formats]"' in caught.value.message


def test_a_decoder_that_crashes_or_hangs_costs_one_picture(monkeypatch):
    data = saved("HEIF")
    assert decode(data, CONFIG).size == (64, 48)
    os.kill(CHILDREN.idle[-1]._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(child, "_SECONDS", 0.2)
    with pytest.raises(ImageError, match="longer than"):
        decode(data, CONFIG)
    monkeypatch.undo()
    assert decode(data, CONFIG).size == (64, 48)
    os.kill(CHILDREN.idle[-1]._process.pid, signal.SIGSEGV)
    CHILDREN.idle[-1]._process.wait()
    assert decode(data, CONFIG).size == (64, 48)


def test_a_thread_waits_for_no_other_s_picture():
    data = saved("HEIF")
    assert decode(data, CONFIG).size == (64, 48)
    first = CHILDREN.idle[-1]
    os.kill(first._process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decode, data, CONFIG)
        try:
            while first in CHILDREN.idle:
                time.sleep(0.01)
            assert decode(data, CONFIG).size == (64, 48)
            assert not waiting.done()
        finally:
            os.kill(first._process.pid, signal.SIGCONT)
        assert waiting.result().size == (64, 48)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"8BPS\0\1", "PSD"), (b"%PDF-1.4", "PDF"), (b"%!PS-Adobe", "EPS"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b'<?xml version="1.0"?>\n<!-- a drawing -->\n<svg>', "SVG"),
        (b"\xef\xbb\xbf<svg>", "SVG"),
        (b"\0\0\0\x20ftypisom", "video"), (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"gimp xcf ", "XCF"),
    ],
)  # fmt: skip
def test_a_format_that_nothing_reads_is_named(head, name):
    with pytest.raises(ImageError, match="unsupported_format") as caught:
        decode(head + bytes(60), CONFIG)
    assert name in caught.value.message

import io

import numpy as np
import pytest
from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.tasks.errors import ImageError
from sortal.tasks.pictures.decode import decode
from sortal.tasks.pictures.header import read_header

CONFIG = ImagesConfig()
KINDS = [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 3},
         {"subsampling": 0}, {"quality": 30}]  # fmt: skip


def scene(width: int = 320, height: int = 240) -> Image.Image:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(
        np.stack([(across * (c + 1) + down * c) % 220 for c in range(3)], -1).astype(np.uint8)
    )


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("lost", [1, 2, 4])
def test_a_jpeg_without_its_end_is_read_and_flagged(options, lost):
    whole = jpeg(scene(), **options)
    cut = whole[:-lost]
    difference = np.asarray(decode(cut, CONFIG)).astype(int) - np.asarray(decode(whole, CONFIG))
    assert np.abs(difference).mean() < 1
    assert read_header(io.BytesIO(cut), CONFIG).flag == "cut"
    assert read_header(io.BytesIO(whole), CONFIG).flag is None


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_a_jpeg_that_lacks_a_tenth_or_more_is_not_read(options, share):
    if options == {"progressive": True} and share == 0.9:
        share = 0.7  # the last scans only refine what is there
    whole = jpeg(scene(), **options)
    kept = whole[: int(share * len(whole))]
    for data in (kept, kept + bytes(len(whole) - len(kept))):  # also where zeros fill the rest
        with pytest.raises(ImageError, match="truncated"):
            decode(data, CONFIG)


def test_what_follows_the_end_is_no_cut():
    whole = jpeg(scene())
    for data in (whole + b"a trailer of a phone", whole + jpeg(scene(16, 16))[:-2]):
        assert read_header(io.BytesIO(data), CONFIG).flag is None
        assert decode(data, CONFIG).size == (320, 240)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_other_formats_that_are_cut_are_not_read(kind):
    file = io.BytesIO()
    scene(64, 48).save(file, kind)
    with pytest.raises(ImageError):
        decode(file.getvalue()[: len(file.getvalue()) // 2], CONFIG)

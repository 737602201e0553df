import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from profiles import ADOBE_RGB, DISPLAY_P3, PRO_PHOTO, red_cmyk_profile, rgb_profile
from sortal.configs.schema import ImagesConfig
from sortal.tasks.pictures.decode import decode
from sortal.tasks.pictures.header import read_header

CONFIG = ImagesConfig()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("space", [ADOBE_RGB, DISPLAY_P3, PRO_PHOTO], ids=lambda space: space[0])
def test_a_wide_gamut_becomes_srgb_and_the_header_names_it(kind, space):
    muted = Image.new("RGB", (16, 16), (120, 150, 110))
    data = saved(muted, kind, icc_profile=rgb_profile(*space))
    red, green, blue = decode(data, CONFIG).getpixel((5, 5))
    assert green - red > 33 and green - blue > 41  # more saturated than as it was
    assert read_header(io.BytesIO(data), CONFIG).color_profile == space[0]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_read_through_its_profile(kind):
    green = Image.new("RGB", (16, 16), (30, 200, 40)).convert("CMYK")
    red, green_level, blue = decode(
        saved(green, kind, icc_profile=red_cmyk_profile()), CONFIG
    ).getpixel((5, 5))
    assert red > 100 and max(green_level, blue) < 30


@pytest.mark.parametrize(
    "profile", [b"junk" * 50, red_cmyk_profile(), rgb_profile(*ADOBE_RGB)[:200]]
)
def test_a_profile_that_is_no_use_changes_nothing(profile):
    grey = Image.new("RGB", (16, 16), (30, 200, 40))
    assert decode(saved(grey, "PNG", icc_profile=profile), CONFIG).getpixel((5, 5)) == (30, 200, 40)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (250, 250, 205), (128, 128, 128)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_writing_on_nothing_stays_visible(colour, kind):
    image = Image.new("RGBA", (120, 40))
    ImageDraw.Draw(image).rectangle((20, 10, 60, 30), fill=(*colour, 255))
    picture = decode(saved(image, kind, **({"lossless": True} if kind == "WEBP" else {})), CONFIG)
    assert np.ptp(np.asarray(picture.convert("L")).astype(int)) > 100


def test_a_profile_applies_below_transparency():
    clear = Image.new("RGBA", (8, 8), (120, 150, 110, 0))
    clear.paste((120, 150, 110, 255), (0, 0, 4, 8))
    picture = decode(saved(clear, "PNG", icc_profile=rgb_profile(*PRO_PHOTO)), CONFIG)
    assert picture.getpixel((6, 4)) == (255, 255, 255)
    assert picture.getpixel((1, 4))[0] < 118


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_its_first_frame_that_shows_something(kind):
    scene = Image.new("RGB", (32, 32), (200, 0, 0))
    scene.paste((0, 0, 200), (0, 0, 16, 32))
    blank = [Image.new("RGB", (32, 32), (level, level, level)) for level in (0, 255)]
    late = saved(blank[0], kind, save_all=True, append_images=[blank[1], scene])
    assert decode(late, CONFIG).getpixel((25, 15))[0] > 150
    never = saved(blank[0], kind, save_all=True, append_images=[blank[1]])
    assert decode(never, CONFIG).getpixel((25, 15)) == (0, 0, 0)

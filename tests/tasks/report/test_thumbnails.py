import base64
import io

import pytest
from PIL import Image

from sortal.configs.schema import ImagesConfig
from sortal.storage.hashing import hash_bytes
from sortal.tasks.report.thumbnails import LARGE, SMALL, Place, shrink, thumbnails


def png(colour="red", size=(60, 40)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "lime")):
        (tmp_path / f"{name}.png").write_bytes(png(colour))
    return tmp_path


def opened(address):
    head, data = address.split(",", 1)
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (900, 3), (64, 64)])
def test_every_shape_becomes_a_square(size):
    image = Image.open(io.BytesIO(shrink(Image.new("RGB", size), 112)))
    assert (image.format, image.size) == ("WEBP", (112, 112))


def test_thumbnails_are_by_key_and_of_the_asked_size(folder):
    places = [Place(hash_bytes(png(c)), f"{n}.png") for n, c in (("a", "red"), ("b", "blue"))]
    found = thumbnails(str(folder), [*places, *places], {places[0].key: LARGE}, ImagesConfig())
    red, blue = (opened(found[place.key]) for place in places)
    assert (red.width, blue.width) == (LARGE, SMALL)
    assert red.convert("RGB").getpixel((50, 50))[0] > 200


def test_what_is_gone_changed_or_broken_has_none(folder):
    good = Place(hash_bytes(png("red")), "a.png")
    changed = Place(hash_bytes(png("blue")), "c.png")
    (folder / "d.png").write_bytes(b"not an image")
    broken = Place(hash_bytes(b"not an image"), "d.png")
    outside = Place("k", "../../etc/passwd")
    places = [good, changed, broken, outside, Place("x", "gone.png"), Place("y", "")]
    assert list(thumbnails(str(folder), places, {}, ImagesConfig())) == [good.key]


@pytest.mark.parametrize("source", ["/nowhere/at/all", "s3://bucket/x", ""])
def test_a_source_that_is_gone_has_none(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert thumbnails(source, [Place("k", "a.png")], {}, ImagesConfig()) == {}


def test_a_bomb_is_not_decoded(folder):
    place = Place(hash_bytes(png("red")), "a.png")
    assert thumbnails(str(folder), [place], {}, ImagesConfig(max_pixels=100)) == {}

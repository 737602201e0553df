"""Figures of a picture's looks, flags by stated rules, and thumbnails that are bounded on disk."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter

from looked_run import scene
from sortal.configs.looks import QualityConfig, ThumbnailConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.looks.figures import figures_of
from sortal.tasks.looks.quality import flags_of
from sortal.tasks.looks.thumbnails import Thumbnails, shrink

DARK = scene(1).point(lambda level: level // 8)
BLURRED = scene(1, (600, 400)).filter(ImageFilter.GaussianBlur(12))


@pytest.mark.parametrize(
    ("picture", "flags"),
    [
        (scene(1), []),
        (Image.new("RGB", (100, 100), "white"), ["blank"]),
        (Image.new("RGB", (100, 100), "black"), ["blank"]),
        (DARK, ["dark"]),
        (BLURRED, ["blurred"]),
        (scene(1).resize((40, 200)), ["tiny"]),
        (Image.new("RGB", (1, 1), "white"), ["blank", "tiny"]),
    ],
)
def test_a_picture_is_flagged_for_what_is_wrong_with_it(picture, flags):
    looks = pa.Table.from_pylist([{"key": "k", **figures_of(picture)}])
    found = flags_of(looks, pa.array([min(picture.size)]), QualityConfig()).to_pylist()
    assert [row["flag"] for row in found] == flags
    assert all(row["value"] < row["threshold"] for row in found)


def test_a_resized_picture_has_nearly_the_same_hash_and_another_has_not():
    one, small, other = (
        figures_of(each)["phash"] for each in (scene(3), scene(3).resize((80, 60)), scene(4))
    )
    assert (one ^ small).bit_count() <= 6 < 16 <= (one ^ other).bit_count()


def test_thumbnails_keep_their_shape_and_small_pictures_are_not_enlarged():
    config = ThumbnailConfig(size=64)
    sizes = [Image.open(_file(shrink(scene(1).resize(size), config))).size for size in
             ((200, 100), (30, 20), (1, 900))]  # fmt: skip
    assert sizes == [(64, 32), (30, 20), (1, 64)]


def _file(data: bytes):
    import io

    return io.BytesIO(data)


def test_the_oldest_thumbnails_go_where_there_are_too_many_bytes(tmp_path):
    kept = Thumbnails(Workspace(tmp_path), ThumbnailConfig(max_bytes=1_000_000))
    noise = np.random.default_rng(0).bytes(100_000)
    for number in range(15):
        kept.add([(f"{number:02}", noise)])
    left = kept.all_keys()
    assert "14" in left and "00" not in left and 5 <= len(left) <= 10
    assert kept.get(["14", "00", "never"]) == {"14": noise}

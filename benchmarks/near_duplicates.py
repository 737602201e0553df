"""Measures near duplicates: 300 planted copies among 1,000 photos, by what was done to them.

    python benchmarks/near_duplicates.py SHARED [--write]

SHARED is the folder of test data. The copies are made of Flickr8k's photos, written as JPEG beside
them, and the whole is scanned, embedded with `conse` and looked at by the steps of Sortal itself.
A group is false where it joins photos that are no copies of one another. `--write` puts the table
into docs/export.md.
"""

import argparse
import re
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont, ImageOps

from sortal.configs.encoder import EncoderConfig
from sortal.configs.looks import DuplicatesConfig, ThumbnailConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.duplicates.step import GROUPS, find_duplicates
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe
from sortal.tasks.looks.step import make_thumbnails
from sortal.tasks.scan.step import scan

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
TABLE = re.compile(r"<!-- benchmarks/near_duplicates.py -->\n(\n\|[^<]*?\n\n[^\n]*\n)?", re.DOTALL)
N_COPIES = 60  # of each kind


def resized(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Between 0.3 and 0.8 times as large."""
    scale = rng.uniform(0.3, 0.8)
    size = (int(photo.width * scale), int(photo.height * scale))
    return photo.resize(size, Image.Resampling.LANCZOS)


def cropped(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Without 5 % of its width and height, wherever they are taken from."""
    dx, dy = round(photo.width * 0.05), round(photo.height * 0.05)
    x, y = int(rng.integers(0, dx + 1)), int(rng.integers(0, dy + 1))
    return photo.crop((x, y, photo.width - dx + x, photo.height - dy + y))


def watermarked(photo: Image.Image, _: np.random.Generator) -> Image.Image:
    """With half-transparent words across it and a line below."""
    layer = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    large, small = (ImageFont.load_default(size=photo.width // part) for part in (8, 20))
    place = (photo.width * 0.12, photo.height * 0.45)
    draw.text(place, "(c) SAMPLE", font=large, fill=(255, 255, 255, 130))
    draw.text((5, photo.height * 0.92), "www.example.com", font=small, fill=(255, 255, 0, 200))
    return Image.alpha_composite(photo.convert("RGBA"), layer).convert("RGB")


CHANGES = {
    "resized": resized,
    "recompressed": lambda photo, _: photo,
    "cropped by 5 %": cropped,
    "flipped": lambda photo, _: ImageOps.mirror(photo),
    "watermarked": watermarked,
}


def plant(shared: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """The photos and their copies in `folder`; copy -> (original, what was done)."""
    with tarfile.open(shared / "datasets" / "flickr8k_1000.tar") as tar:
        photos = [member for member in tar if member.name.endswith(".jpg")]
        for member in photos:
            (folder / Path(member.name).name).write_bytes(tar.extractfile(member).read())
    rng, made = np.random.default_rng(0), {}
    chosen = rng.choice(len(photos), N_COPIES * len(CHANGES), replace=False)
    for place, number in enumerate(chosen):
        change = list(CHANGES)[place % len(CHANGES)]
        original = Path(photos[number].name).name
        with Image.open(folder / original) as opened:
            copy = CHANGES[change](opened.convert("RGB"), rng)
        quality = int(rng.integers(15, 50)) if change == "recompressed" else 88
        name = f"copy-{place:03}.jpg"
        copy.save(folder / name, quality=quality)
        made[name] = (original, change)
    return made


def groups(root: Path, folder: Path) -> tuple[list[set[str]], float]:
    """The groups by file names, and the seconds that looking at the pictures and comparing took."""
    workspace, images, encoder = Workspace(root).create(), ImagesConfig(), EncoderConfig()
    found = scan(workspace, source=str(folder), config=images)
    vectors = embed_images(
        workspace, scan=found, source=str(folder), images=images, encoder=encoder,
        encoder_fingerprint=describe(encoder.spec).fingerprint,
    )  # fmt: skip
    start = time.monotonic()
    looks = make_thumbnails(
        workspace, scan=found, source=str(folder), images=images, config=ThumbnailConfig()
    )
    pairs = find_duplicates(
        workspace, scan=found, looks=looks, vectors=vectors, images=images,
        config=DuplicatesConfig(),
    )  # fmt: skip
    seconds = time.monotonic() - start
    listed = pq.read_table(found.file(workspace, "images.parquet"), columns=["key", "path"])
    path_of = dict(zip(listed["key"].to_pylist(), listed["path"].to_pylist(), strict=True))
    joined: dict[str, set[str]] = {}
    for row in pq.read_table(pairs.file(workspace, GROUPS)).to_pylist():
        joined.setdefault(row["keep"], set()).add(path_of[row["key"]])
    return list(joined.values()), seconds


def main() -> None:
    """Plant, find, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table into docs/export.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        made = plant(options.shared, folder)
        found, seconds = groups(Path(name) / "workspace", folder)
    group_of = {path: group for group in found for path in group}
    hits = Counter(change for copy, (original, change) in made.items()
                   if original in group_of.get(copy, ()))  # fmt: skip
    false = [g for g in found if len({made.get(path, (path, ""))[0] for path in g}) > 1]
    lines = [f"| {change} | {hits[change]} of {N_COPIES} |" for change in CHANGES]
    table = "\n".join(["| copies | found |", "|---|---|", *lines])
    said = (
        f"{sum(hits.values())} of {len(made)} copies among 1,000 photos were found, and "
        f"{len(false)} of {len(found)} groups joined photos that are none "
        f"({seconds:.0f} s for 1,300 pictures, most of it for reading them)."
    )
    print(f"{table}\n\n{said}\n", *false, sep="\n")
    if options.write:
        text = f"<!-- benchmarks/near_duplicates.py -->\n\n{table}\n\n{said}\n"
        PAGE.write_text(TABLE.sub(lambda _: text, PAGE.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

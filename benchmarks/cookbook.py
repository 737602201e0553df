"""Makes the answers that docs/sql.md and README.md print, from runs made here and now.

    python benchmarks/cookbook.py SHARED [--workspace FOLDER]

SHARED is the folder of test data: in its `clip/` are the vectors of 500 CIFAR-10 images in a real
CLIP space, with nouns and captions. Every method of METHODS is run on them with every seed; with
`--workspace` an existing lake is asked instead, and README.md is left as it is. An answer is the
first rows of what `sortal sql` prints, and "..." where there are more. The questions about photos
are asked of pictures that are drawn here, those about kinds of kinds of a run that has found its
number of clusters itself.
tests/storage/lake/test_answers.py fails when a page is stale.
"""

import argparse
import io
import re
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import fill
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from sortal.configs import METHOD
from sortal.configs.load import make_config
from sortal.configs.schema import ImagesConfig
from sortal.flows.operations.query import reading
from sortal.flows.recluster import recluster
from sortal.flows.terminal.formats import write_table
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import RunRow
from sortal.storage.lake.sql import Select, sql
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.failures import failure_table
from sortal.tasks.scan.step import scan

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "sql.md", ROOT / "README.md"
PAIR = re.compile(r"```sql\n((?:SELECT|WITH|FROM)[^`]*)```\n\n```text\n([^`]*)```", re.DOTALL)
KINDS_FOUND = re.compile(r"On 500 CIFAR-10 images in a real CLIP space,.*?\n\n", re.DOTALL)
PHOTOS = "## Three questions about photos"
KINDS = "## Two questions about kinds of kinds"
LINES = 12  # of an answer, its two header lines included

SEEDS = 3
METHODS = ("kmeans", "tac-free", "cae-no-nouns", "cae-no-captions", "cae", METHOD)
BEST = """
SELECT card.name
FROM cluster_cards AS card
JOIN runs AS run ON run.run_id = card.run_id
WHERE run.method = ? AND run.random_state = 0 AND card.is_named
ORDER BY card.size DESC, card.name"""
ACCURACY = """
SELECT max(acc) FROM scores WHERE method = ? AND random_state = 0"""


def make_lake(shared: Path, folder: Path) -> Path:
    """The workspace of the runs, made in `folder`; the newest run is the default method's."""
    values = settings(shared, folder) | {"n_clusters": 10}
    for seed in range(SEEDS):
        for method in METHODS:
            recluster.fn(make_config({**values, "method": method, "random_state": seed}))
    return folder / "workspace"


def make_tree(shared: Path, folder: Path) -> Path:
    """A workspace of one run in `folder`, which was not told how many clusters there are."""
    recluster.fn(make_config(settings(shared, folder)))
    return folder / "workspace"


def settings(shared: Path, folder: Path) -> dict[str, Any]:
    """The values of a run on the CLIP vectors, of which `folder` gets a copy."""
    space = folder / "clip"
    space.mkdir(parents=True, exist_ok=True)
    names = {"images": "cifar10_500_images", "nouns": "nouns", "captions": "captions"}
    for name, file in names.items():
        shutil.copy(shared / "clip" / f"{file}.parquet", space / f"{name}.parquet")
    return {
        "source": str(space),
        "encoder": {"spec": f"vectors:{space}"},
        "workspace": folder / "workspace",
        "lineage": {"enabled": False},
    }


CAMERAS = (("Canon", "EOS R5"), ("Apple", "iPhone 14"), None)


def make_photos(folder: Path) -> Path:
    """A workspace whose lake holds the scan of 30 drawn photos, taken over a year."""
    for number in range(30):
        exif = Image.Exif()
        camera = CAMERAS[number % 3]
        if camera:
            exif[271], exif[272] = camera
            day = datetime(2025, 1, 1, 9, 30) + timedelta(days=number * number / 2)
            exif.get_ifd(0x8769)[36867] = day.strftime("%Y:%m:%d %H:%M:%S")
        if number % 6 == 1:  # telephones know where they are
            place = {1: "N", 2: (46.0, number, 0.0), 3: "E", 4: (7.0, 30.0, number)}
            exif.get_ifd(0x8825).update(place)
        (folder / "photos").mkdir(parents=True, exist_ok=True)
        shade = (8 * number, 255 - 8 * number, 90)
        path = folder / "photos" / f"IMG_{number:04}.jpg"
        Image.new("RGB", (64, 48), shade).save(path, exif=exif)
    workspace = Workspace(folder / "photo-workspace").create()
    found = scan(workspace, source=str(folder / "photos"), config=ImagesConfig(num_workers=0))
    nothing = folder / "failures.parquet"
    pq.write_table(failure_table([]), nothing)
    now = datetime(2026, 1, 1)
    row = {name: "" for name, kind in RunRow.__annotations__.items() if kind is str}
    row |= {"run_id": "photos", "collection": "photos", "scan": found.identity, "config": "{}"}
    row |= {"started_at": now, "finished_at": now, "seconds": 0.0, "labels_used": False}
    row |= {"n_clusters": 0, "n_images": 30, "n_failed": 0, "random_state": 0}
    files = {"images": str(found.file(workspace, "images.parquet")), "undecodable": str(nothing)}
    place = {"scan": found.identity, "collection": "photos"}
    with Lake(workspace) as lake:
        lake.publish(row, {"images": Select(sql("commit/images"), place | files)})
    return workspace.root


def kinds_found(lake: Lake) -> str:
    """README's sentence about these images: names and accuracies of seed 0."""
    *most, last = [name for (name,) in lake.execute(BEST, [METHOD]).fetchall()]
    rows = [lake.execute(ACCURACY, [method]).fetchone() for method in (METHOD, "kmeans")]
    ours, kmeans = (f"{row[0]:.0%}" for row in rows if row)
    text = (
        "On 500 CIFAR-10 images in a real CLIP space, the default method finds all ten kinds with "
        f"{ours} accuracy, where k-means on the same vectors has {kmeans}, and names those it is "
        f"sure of: {', '.join(most)} and {last}. Figures for every method, with how they were "
        "measured, are in "
        "[docs/performance.md](docs/performance.md)."
    )
    return f"{fill(text.replace('%', ' %'), 100)}\n\n"


def answered(page: str, lake: Lake) -> str:
    """The page with every answer asked for again."""

    def answer(pair: re.Match[str]) -> str:
        stream = io.StringIO()
        write_table(lake.execute(pair[1]), stream)
        lines = stream.getvalue().rstrip("\n").split("\n")
        shown = "\n".join(lines[:LINES] + (["..."] if len(lines) > LINES else []))
        return f"```sql\n{pair[1]}```\n\n```text\n{shown}\n```"

    return PAIR.sub(answer, page)


def parts(page: str) -> tuple[str, str, str]:
    """The page up to its questions about photos, from there, and from those about kinds."""
    photos, kinds = page.index(PHOTOS), page.index(KINDS)
    return page[:photos], page[photos:kinds], page[kinds:]


def main() -> None:
    """Make the runs, ask, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--workspace", type=Path, help="an existing lake to ask instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        workspace = options.workspace or make_lake(options.shared, Path(name))
        with reading(workspace) as lake:
            page = PAGE.read_text("utf-8")
            most, photos, kinds = parts(page)
            most = answered(most, lake)
            if not options.workspace:
                with reading(make_photos(Path(name))) as taken:
                    photos = answered(photos, taken)
                with reading(make_tree(options.shared, Path(name) / "tree")) as tree:
                    kinds = answered(kinds, tree)
            PAGE.write_text(most + photos + kinds, encoding="utf-8")
            if not options.workspace:
                readme = README.read_text("utf-8")
                README.write_text(KINDS_FOUND.sub(kinds_found(lake), readme), encoding="utf-8")


if __name__ == "__main__":
    main()

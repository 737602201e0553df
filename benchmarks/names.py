"""How many clusters get a name, and how many of the names are right; labels only measure.

    python benchmarks/names.py SHARED [--photos] [--seeds 3]

SHARED is the folder of test data: `clip/` has CIFAR-10 and product photos as real CLIP vectors,
with nouns and captions; `--photos` also sorts 10,000 CIFAR-10 images with the packaged encoder
(about eight minutes). A name is right when it is the cluster's majority class, a synonym of it, or
at most two WordNet levels above or below, as tasks/evaluation/names.py decides. Classes of a shop's
catalogue are read as WORDS says; of a class or name that WordNet does not know, "casual shoes", its
last words are read.
"""

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora import wordnet
from sortal.tasks.evaluation.names import Senses, level
from sortal.tasks.naming.words import base

WORDS = {  # a catalogue's classes in words of the language
    "Tshirts": "T-shirt",
    "Topwear": "garment",
    "Bottomwear": "trousers",
    "Kurtis": "kurta",
    "Flip Flops": "sandal",
    "Heels": "shoe",
    "Sports Shoes": "gym shoe",
    "Track Pants": "trousers",
}
ROWS = """
SELECT
    card.name,
    card.is_named,
    card.name_confidence,
    card.size,
    card.caption,
    majority.label,
    majority.n_images / card.size AS share
FROM cluster_cards AS card
JOIN (
    SELECT cluster, max_by(label, n_images) AS label, max(n_images) AS n_images
    FROM confusion
    WHERE run_id = $run
    GROUP BY cluster
) AS majority ON majority.cluster = card.cluster
WHERE card.run_id = $run
ORDER BY card.size DESC"""


class Case(NamedTuple):
    """A collection and how many clusters are made of it."""

    name: str
    values: dict[str, Any]
    counts: tuple[int | None, ...]


def cases(shared: Path, folder: Path, photos: bool) -> Iterator[Case]:
    """The collections, of which `folder` gets copies."""
    sets = (
        ("cifar10_500", "cifar10_500_images", None, (10, None)),
        ("fashion by label", "fashion_2000_images", None, (24, 40, None)),
        ("fashion by sub_category", "fashion_2000_images", "sub_category", (16, None)),
    )
    for name, file, label, counts in sets:
        space = folder / name.replace(" ", "-")
        space.mkdir()
        for corpus in ("nouns", "captions"):
            shutil.copy(shared / "clip" / f"{corpus}.parquet", space)
        images = pq.read_table(shared / "clip" / f"{file}.parquet")
        if label:
            images = images.set_column(images.column_names.index("label"), "label", images[label])
        pq.write_table(images.select(["key", "label", "vector"]), space / "images.parquet")
        yield Case(name, {"source": str(space), "encoder": {"spec": f"vectors:{space}"}}, counts)
    if photos:
        source = str(shared / "datasets" / "cifar10_test.tar")
        yield Case("cifar10 test, conse", {"source": source}, (10, 20, 40, None))


def words_of(text: str, senses: Senses) -> list[str]:
    """What a class or a name is read as: of "handbag/satchel" both, of "casual shoes" shoes."""
    found = []
    for part in re.split("[/,]", text.replace("_", " ")):
        words = part.split()
        while words and not senses.of(" ".join(words)):
            words = words[1:]
        found += [" ".join(words)] if words else []
    return found


def is_right(name: str, label: str, senses: Senses) -> bool:
    """Whether a name says the class."""
    classes = words_of(WORDS.get(label, label), senses)
    nouns = words_of(base(name), senses)
    return any(level(noun, each, senses) for noun in nouns for each in classes)


def main() -> None:
    """Make the runs and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--photos", action="store_true", help="also the packaged encoder on photos")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="print every cluster")
    options = parser.parse_args()
    senses = Senses(wordnet.read_embedded())
    with tempfile.TemporaryDirectory() as name:
        print("collection                clusters  named  right of those  captions shown")
        for case in cases(options.shared, Path(name), options.photos):
            for count in case.counts:
                rows: list[dict[str, Any]] = []
                for seed in range(options.seeds):
                    rows += run(case, count, seed, Path(name) / "workspace").to_pylist()
                show(case, count, rows, senses, options.all)


def run(case: Case, count: int | None, seed: int, workspace: Path) -> pa.Table:
    """A row a cluster of one run."""
    values = {**case.values, "random_state": seed, "workspace": workspace}
    values |= {"collection": case.name, "lineage": {"enabled": False}}
    values |= {"n_clusters": count} if count else {}
    result = recluster.fn(make_config(values))
    with Lake(Workspace(workspace), read_only=True) as lake:
        return lake.query(ROWS, {"run": result.run_id})


def show(
    case: Case, count: int | None, rows: list[dict[str, Any]], senses: Senses, every: bool
) -> None:
    """The line of a case."""
    named = [row for row in rows if row["is_named"]]
    right = [row for row in named if is_right(row["name"], row["label"], senses)]
    captioned = sum(row["caption"] is not None for row in rows)
    print(
        f"{case.name:25} {count or 'auto':>8}  {len(named) / len(rows):5.0%}  "
        f"{len(right) / max(len(named), 1):14.0%}  {captioned / len(rows):14.0%}",
        flush=True,
    )
    for row in rows if every else ():
        mark = "    " if not row["is_named"] else " ok " if row in right else " -- "
        print(f"{mark}{row['label']:16} {row['share']:.2f} {row['name_confidence'] or 0:.2f} "
              f"{row['name']:24} {row['caption'] or ''}")  # fmt: skip


if __name__ == "__main__":
    main()

"""Product photos sorted by what is asked for (`--by`): NMI with labels of several kinds.

    python benchmarks/criteria.py SHARED [--methods cae,sic] [--seeds 5] [--case colour]

SHARED is the folder of test data, of which `clip/` is used: CLIP vectors of 2,000 product photos,
of nouns and of captions. No text tower is there, so a colour word has the mean vector of the
captions that say it. Labels only measure.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from defaults import partition_of

from sortal.configs.load import make_config
from sortal.flows.run.context import Run, Steps
from sortal.flows.run.images import read_images
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.choose.score import Labels
from sortal.tasks.evaluation.agreement import confusion, nmi

TRUTHS = ("base_colour", "gender", "label", "sub_category", "season")
COLOURS = "black white blue brown red green grey|gray pink purple yellow orange"
PEOPLE = ("man", "woman", "boy", "girl", "person")
CLOTHING = (
    "shirt jersey blouse sweater cardigan jacket blazer coat vest dress skirt trousers jean "
    "short_pants swimming_trunks sock brassiere robe pajama scarf necktie belt cap_(headwear) hat "
    "glove shoe sandal boot suit gown raincoat"
)


class Case(NamedTuple):
    """A criterion, or none, and how many clusters are made."""

    by: str | None
    n_clusters: int


CASES = (
    Case(None, 12),
    Case("colour", 12),
    Case(None, 4),
    Case("people", 4),
    Case(None, 40),
    Case("clothing", 40),
    Case("thing", 40),
)


def prepare(shared: Path, folder: Path) -> None:
    """Put images, texts and two vocabularies into `folder`."""
    clip = shared / "clip"
    for corpus in ("nouns", "captions"):
        shutil.copy(clip / f"{corpus}.parquet", folder)
    images = pq.read_table(clip / "fashion_2000_images.parquet", columns=["key", "label", "vector"])
    pq.write_table(images, folder / "images.parquet")
    captions = _vectors(clip / "captions.parquet")
    put(folder, "colour", {each.split("|")[0]: _saying(captions, each) for each in COLOURS.split()})
    nouns = _vectors(clip / "nouns.parquet")
    for name, terms in (("people", PEOPLE), ("clothing", CLOTHING.split())):
        found = {re.sub(r"_\(.*", "", term).replace("_", " "): nouns[term] for term in terms}
        put(folder, name, found)
        (folder / f"{name}.txt").write_text("\n".join(found))


def put(folder: Path, name: str, vectors: dict[str, FloatArray]) -> None:
    """Write texts and their vectors (d,)."""
    table = pa.table({"text": list(vectors), "vector": list(vectors.values())})
    pq.write_table(table, folder / f"{name}_texts.parquet")


def _vectors(path: Path) -> dict[str, FloatArray]:
    table = pq.read_table(path)
    rows = np.array(table["vector"].to_pylist(), np.float32)
    texts = (text.replace(" ", "_").lower() for text in table["text"].to_pylist())
    return dict(zip(texts, rows, strict=True))


def _saying(captions: dict[str, FloatArray], word: str) -> FloatArray:
    rows = [
        row for text, row in captions.items() if re.search(rf"(?:^|_)(?:{word})(?:_|\W|$)", text)
    ]
    mean: FloatArray = np.mean(rows, axis=0)
    return mean


def sorted_by(
    case: Case, method: str, seed: int, folder: Path, changes: list[str]
) -> dict[str, int]:
    """The cluster of each image of a run, by its key."""
    by = case.by
    if by in ("people", "clothing"):
        by = str(folder / f"{by}.txt")
    values = {"source": str(folder), "encoder": {"spec": f"vectors:{folder}"}, "method": method}
    values |= {"n_clusters": case.n_clusters, "random_state": seed, "by": by}
    values |= {"workspace": folder.parent / "workspace", "lineage": {"enabled": False}}
    run = Run.begin(make_config(values, changes), Steps(Workspace(values["workspace"]).create()))
    images = read_images(run, run.config.source)
    found = partition_of(run, images)
    keys = open_vectors(run.workspace, images.vectors).keys
    return dict(zip(keys, found.tolist(), strict=True))


def main() -> None:
    """Print a row for each case and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--methods", default="cae")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--case", default="", help="of one criterion, or none, alone")
    parser.add_argument("--set", dest="changes", action="append", default=[])
    args = parser.parse_args()
    table = pq.read_table(args.shared / "clip" / "fashion_2000_images.parquet")
    print("| method | sorted by | clusters |", " | ".join(TRUTHS), "|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        prepare(args.shared, folder)
        for case in CASES:
            if args.case not in ("", case.by or "none"):
                continue
            for method in args.methods.split(","):
                rows = []
                for seed in range(args.seeds):
                    found = sorted_by(case, method, seed, folder, args.changes)
                    mine = np.array([found[key] for key in table["key"].to_pylist()])
                    rows.append([100 * nmi(confusion(codes(table[t]), mine)) for t in TRUTHS])
                mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
                cells = (f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True))
                words = f"| {method} | {case.by or 'all'} | {case.n_clusters} |"
                print(words, " | ".join(cells), "|", flush=True)


def codes(column: pa.ChunkedArray) -> Labels:
    """Numbers (n,) of labels."""
    return np.unique(column.to_pylist(), return_inverse=True)[1].astype(np.int32)


if __name__ == "__main__":
    main()

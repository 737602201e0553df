"""Makes the answers that docs/sql.md and README.md print, from runs made here and now.

    python benchmarks/cookbook.py [--shared FOLDER] [--workspace FOLDER]

docs/sql.md asks a small lake: 25 pictures of each of four kinds of the demo, five methods, three
seeds.
README's names and accuracies are those of 500 CIFAR-10 images in a real CLIP space, whose vectors
are in `clip/` of the folder of test data; without `--shared` they are left as they are. An answer
is the first rows of what `sortal sql` prints, and "..." where there are more.
tests/storage/lake/test_answers.py fails when a page is stale.
"""

import argparse
import io
import re
import shutil
import tempfile
from pathlib import Path
from textwrap import fill
from typing import Any

from sortal.configs.load import make_config
from sortal.flows.operations.query import reading
from sortal.flows.recluster import recluster
from sortal.flows.terminal.formats import write_table
from sortal.tasks.datasets.openmoji import build

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "sql.md", ROOT / "README.md"
PAIR = re.compile(r"```sql\n((?:SELECT|WITH|FROM)[^`]*)```\n\n```text\n([^`]*)```", re.DOTALL)
KINDS_FOUND = re.compile(r"On 500 CIFAR-10 images in a real CLIP space,.*?\n\n", re.DOTALL)
LINES = 12  # of an answer, its two header lines included

KINDS = ("buildings", "clocks", "clothing", "road vehicles")
METHODS = ("cae", "kmeans", "cae-concat", "cae-no-nouns", "tac-free")
SEEDS = 3
PICTURES = 25  # of each kind
QUICK = [  # few texts and one process: the page shows what answers look like, not what is best
    "nouns.lexnames=[noun.artifact]",
    "nouns.max_words=1",
    "captions.min_words=12",
    "encoder.num_workers=0",
    "images.num_workers=0",
]


def make_lake(folder: Path) -> Path:
    """The workspace of the small lake, made in `folder`: every method with every seed."""
    everything = build(folder / "openmoji")
    for kind in KINDS:
        (folder / "pictures" / kind).mkdir(parents=True, exist_ok=True)
        for picture in sorted((everything / kind).iterdir())[:PICTURES]:
            shutil.copy(picture, folder / "pictures" / kind)
    values = {
        "source": str(folder / "pictures"),
        "n_clusters": len(KINDS),
        "collection": "openmoji",
    }
    for seed in range(SEEDS):
        for method in METHODS:
            _run(folder, QUICK, **values, method=method, random_state=seed)
    return folder / "workspace"


def kinds_found(shared: Path, folder: Path) -> str:
    """README's sentence about real vectors; runs the default method and k-means in `folder`."""
    space = folder / "clip"
    space.mkdir(parents=True, exist_ok=True)
    names = {"images": "cifar10_500_images", "nouns": "nouns", "captions": "captions"}
    for name, file in names.items():
        shutil.copy(shared / "clip" / f"{file}.parquet", space / f"{name}.parquet")
    values: dict[str, Any] = {"source": str(space), "n_clusters": 10}
    values["encoder"] = {"spec": f"vectors:{space}"}
    ours, kmeans = (_run(folder, [], **values, method=method) for method in ("cae", "kmeans"))
    with reading(folder / "workspace") as lake:
        question = "SELECT name FROM cluster_cards WHERE run_id = ? ORDER BY size DESC, name"
        *most, last = [name for (name,) in lake.execute(question, [ours.run_id]).fetchall()]
    return fill(
        "On 500 CIFAR-10 images in a real CLIP space, the default method finds all ten kinds and "
        f"names them {', '.join(most)} and {last}: {ours.metrics['acc']:.0%} accuracy, where "
        f"k-means on the same vectors has {kmeans.metrics['acc']:.0%}. Figures for every method, "
        "with how they were measured, are in [docs/performance.md](docs/performance.md).",
        100,
    ).replace("%", " %")


def _run(folder: Path, settings: list[str], **values: Any) -> Any:
    values |= {"workspace": folder / "workspace", "lineage": {"enabled": False}}
    return recluster.fn(make_config(values, settings))


def answered(page: str, workspace: Path) -> str:
    """The page with every answer asked for again."""
    with reading(workspace) as lake:

        def answer(pair: re.Match[str]) -> str:
            stream = io.StringIO()
            write_table(lake.execute(pair[1]), stream)
            lines = stream.getvalue().rstrip("\n").split("\n")
            shown = "\n".join(lines[:LINES] + (["..."] if len(lines) > LINES else []))
            return f"```sql\n{pair[1]}```\n\n```text\n{shown}\n```"

        return PAIR.sub(answer, page)


def main() -> None:
    """Make the runs, ask, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, help="the folder of test data")
    parser.add_argument("--workspace", type=Path, help="an existing lake to ask instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        workspace = options.workspace or make_lake(Path(name) / "pictures")
        PAGE.write_text(answered(PAGE.read_text("utf-8"), workspace), encoding="utf-8")
        if options.shared:
            sentence = kinds_found(options.shared, Path(name) / "clip")
            readme = README.read_text("utf-8")
            README.write_text(KINDS_FOUND.sub(f"{sentence}\n\n", readme), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Makes the answers that docs/sql.md and README.md print, from runs made here and now.

    python benchmarks/cookbook.py SHARED [--workspace FOLDER]

SHARED is the folder of test data: in its `clip/` are the vectors of 500 CIFAR-10 images in a real
CLIP space, with nouns and captions. Every method of METHODS is run on them with every seed; with
`--workspace` an existing lake is asked instead, and README.md is left as it is. An answer is the
first rows of what `sortal sql` prints, and "..." where there are more.
tests/storage/lake/test_answers.py fails when a page is stale.
"""

import argparse
import io
import re
import shutil
import tempfile
from pathlib import Path
from textwrap import fill

from sortal.configs.load import make_config
from sortal.flows.operations.query import reading
from sortal.flows.recluster import recluster
from sortal.flows.terminal.formats import write_table
from sortal.storage.lake.lake import Lake

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "sql.md", ROOT / "README.md"
PAIR = re.compile(r"```sql\n((?:SELECT|WITH|FROM)[^`]*)```\n\n```text\n([^`]*)```", re.DOTALL)
KINDS_FOUND = re.compile(r"On 500 CIFAR-10 images in a real CLIP space,.*?\n\n", re.DOTALL)
LINES = 12  # of an answer, its two header lines included

SEEDS = 5
METHODS = ("kmeans", "tac-free", "cae-no-nouns", "cae-no-captions", "cae")  # none is trained
BEST = """
SELECT card.name
FROM cluster_cards AS card
JOIN runs AS run ON run.run_id = card.run_id
WHERE run.method = 'cae' AND run.random_state = 0
ORDER BY card.size DESC, card.name"""
ACCURACY = """
SELECT max(acc) FROM scores WHERE method = ? AND random_state = 0"""


def make_lake(shared: Path, folder: Path) -> Path:
    """The workspace of the runs, made in `folder`; the newest run is the default method's."""
    space = folder / "clip"
    space.mkdir(parents=True, exist_ok=True)
    names = {"images": "cifar10_500_images", "nouns": "nouns", "captions": "captions"}
    for name, file in names.items():
        shutil.copy(shared / "clip" / f"{file}.parquet", space / f"{name}.parquet")
    values = {
        "source": str(space),
        "encoder": {"spec": f"vectors:{space}"},
        "n_clusters": 10,
        "workspace": folder / "workspace",
        "lineage": {"enabled": False},
    }
    for seed in range(SEEDS):
        for method in METHODS:
            recluster.fn(make_config({**values, "method": method, "random_state": seed}))
    return folder / "workspace"


def kinds_found(lake: Lake) -> str:
    """README's sentence about these images: names and accuracies of seed 0."""
    *most, last = [name for (name,) in lake.execute(BEST).fetchall()]
    rows = [lake.execute(ACCURACY, [method]).fetchone() for method in ("cae", "kmeans")]
    ours, kmeans = (f"{row[0]:.0%}" for row in rows if row)
    text = (
        "On 500 CIFAR-10 images in a real CLIP space, the default method finds all ten kinds and "
        f"names them {', '.join(most)} and {last}: {ours} accuracy, where k-means on the same "
        f"vectors has {kmeans}. Figures for every method, with how they were measured, are in "
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


def main() -> None:
    """Make the runs, ask, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--workspace", type=Path, help="an existing lake to ask instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        workspace = options.workspace or make_lake(options.shared, Path(name))
        with reading(workspace) as lake:
            PAGE.write_text(answered(PAGE.read_text("utf-8"), lake), encoding="utf-8")
            if not options.workspace:
                readme = README.read_text("utf-8")
                README.write_text(KINDS_FOUND.sub(kinds_found(lake), readme), encoding="utf-8")


if __name__ == "__main__":
    main()

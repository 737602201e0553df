"""The settings of `cae`, each changed alone, by a score that needs no label; NMI beside it.

    python benchmarks/defaults.py SHARED [--seeds 6] [--method cae] [--space conse]
        [--set key=value] [--try key=value]

SHARED is the folder of test data: in `clip/` CIFAR-10 and product photos as CLIP vectors, in
`datasets/` what goes through `conse`: the first 200 test images of each class of CIFAR-10, and
1,000 photos of Flickr8k, without labels; the pictures of the benchmark's `demo` are drawn. The
score is the one by which `auto` decides within a kind: agreement of seeds x predictability from
held-out images.

The rule, set before anything was looked at: a value takes the place of the default if its score is
higher on more than half of the spaces, and in the geometric mean over them by more than the share
`choose.margin`. The product photos count once. `--set` starts from other settings, so that the next
round begins where a value was taken; `--try` and `--method` make it a sweep of anything else.
"""

import argparse
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from names import cases

from sortal.configs.evaluation import ChooseConfig
from sortal.configs.load import make_config
from sortal.flows.run.choice import choose_settings
from sortal.flows.run.clusters import find_clusters, fuse_images
from sortal.flows.run.context import Images, Run, Steps
from sortal.flows.run.images import read_images
from sortal.flows.run.spaces import semantic_spaces
from sortal.storage.rows import FloatArray
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre
from sortal.tasks.choose.score import CrossFit, Labels
from sortal.tasks.clustering.assignments import ASSIGNMENTS
from sortal.tasks.datasets.openmoji import build
from sortal.tasks.evaluation.agreement import ari, confusion, nmi

UNCENTRED = ("selection.centred=false", "transport.centred=false", "fusion.centred=false")
CHANGES: tuple[tuple[str, ...], ...] = (
    (),
    *((f"transport.epsilon={value}",) for value in (0.01, 0.02, 0.05, 0.1, 0.2)),
    *((f"transport.balance={value}",) for value in (0.0, 0.25, 0.75, 1.0)),
    *((f"fusion.gamma={value}",) for value in (0.02, 0.1, 0.2)),
    ("fusion.weights=equal",),
    *((f"selection.top_k={value}",) for value in (3, 10)),
    *((one,) for one in UNCENTRED),
    UNCENTRED,
)
CLIP = {"cifar10_500": 10, "fashion by label": 40, "fashion by sub_category": 16}
TWICE = "fashion by sub_category"  # the same vectors as by label


class Space(NamedTuple):
    """A collection, the settings of a run on it, and how many clusters are made."""

    name: str
    values: dict[str, Any]
    n_clusters: int


class Figures(NamedTuple):
    """Of one setting on one space, means over seeds; NMI is NaN without labels."""

    agreement: float
    predictability: float
    nmi: float
    spread: float

    @property
    def score(self) -> float:
        """What `auto` decides by within a kind."""
        return self.agreement * self.predictability


def spaces(shared: Path, folder: Path) -> Iterator[Space]:
    """The collections, of which `folder` gets copies."""
    for case in cases(shared, folder, photos=False):
        yield Space(f"{case.name}, CLIP", case.values, CLIP[case.name])
    photos = {
        "cifar10_2000": (first_of_each(shared, folder, 0, 200), 10),
        "flickr8k_1000": (shared / "datasets" / "flickr8k_1000.tar", 20),
        "demo": (build(folder / "openmoji"), 14),
    }
    for name, (source, count) in photos.items():
        yield Space(f"{name}, conse", {"source": str(source)}, count)


def first_of_each(shared: Path, folder: Path, start: int, stop: int) -> Path:
    """A folder of the images `start` to `stop` of each class of CIFAR-10's test set."""
    place, seen = folder / f"cifar10-{start}-{stop}", Counter[str]()
    with tarfile.open(shared / "datasets" / "cifar10_test.tar") as archive:
        for member in sorted(archive, key=lambda each: each.name):
            kind = Path(member.name).parent.name
            seen[kind] += member.isfile()
            if member.isfile() and start < seen[kind] <= stop:
                member.name = f"{kind}/{Path(member.name).name}"
                archive.extract(member, place, filter="data")
    return place


def figures_of(space: Space, changes: Sequence[str], seeds: int, workspace: Workspace) -> Figures:
    """What `seeds` runs with these settings find, judged without and by labels."""
    partitions: list[Labels] = []
    for seed in range(seeds):
        values = {**space.values, "n_clusters": space.n_clusters}
        values |= {"random_state": seed, "workspace": workspace.root}
        config = make_config(values | {"lineage": {"enabled": False}}, changes)
        run = Run.begin(config, Steps(workspace))
        images = read_images(run, config.source)
        partitions.append(partition_of(run, images))
    vectors, labels = vectors_of(images, workspace)
    rule = ChooseConfig()
    known = CrossFit(vectors, rule.folds, rule.ridge, np.random.default_rng(0))
    told = [known.foretold(each, space.n_clusters) for each in partitions]
    same = [ari(confusion(one, other)) for one, other in combinations(partitions, 2)]
    foretold = [ari(confusion(*both)) for both in zip(partitions, told, strict=True)]
    right = [100 * nmi(confusion(labels, each)) if len(labels) else np.nan for each in partitions]
    spread = float(np.std(right, ddof=1))
    return Figures(float(np.mean(same)), float(np.mean(foretold)), float(np.mean(right)), spread)


def partition_of(run: Run, images: Images) -> Labels:
    """The clusters (n,) of the images, in the order of their vectors."""
    texts = semantic_spaces(run, images, images)
    run = choose_settings(run, images, texts)
    fused = fuse_images(run, images, texts)
    found = find_clusters(run, images, images, texts, fused)
    table = pq.read_table(found.file(run.workspace, ASSIGNMENTS))
    clusters = dict(zip(*table.select(["key", "cluster"]).to_pydict().values(), strict=True))
    return np.array([clusters[key] for key in open_vectors(run.workspace, images.vectors).keys])


def vectors_of(images: Images, workspace: Workspace) -> tuple[FloatArray, Labels]:
    """Image vectors (n, d) without their mean, and codes (n,) of their labels; or no label."""
    rows = open_vectors(workspace, images.vectors)
    mean = np.load(images.vectors.file(workspace, "mean.npy"))
    vectors = centre(np.concatenate(list(rows.blocks(16384))), mean)
    table = pq.read_table(images.scan.file(workspace, "images.parquet"), columns=["key", "label"])
    label_of = dict(zip(*table.to_pydict().values(), strict=True))
    labels = [label_of[key] for key in rows.keys]
    if None in labels:
        return vectors, np.array([], np.int32)
    return vectors, np.unique(labels, return_inverse=True)[1].astype(np.int32)


def main() -> None:
    """Print a line for each setting and space, then what the rule says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--method", default="cae")
    parser.add_argument("--try", dest="tried", action="append", help="in place of all changes")
    parser.add_argument("--space", default="", help="a part of the name of the spaces")
    parser.add_argument("--set", dest="base", action="append", default=[], help="to start from")
    options = parser.parse_args()
    changes = [(), *((one,) for one in options.tried)] if options.tried else CHANGES
    found: dict[str, dict[str, Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name) / "workspace").create()
        for space in spaces(options.shared, Path(name)):
            if options.space not in space.name:
                continue
            space.values["method"] = options.method
            for change in changes:
                each = figures_of(space, [*options.base, *change], options.seeds, workspace)
                words = ", ".join(change) or "as it is"
                found.setdefault(words, {})[space.name] = each
                print(
                    f"{space.name:30} {words:72} agreement {each.agreement:.3f}  predictability "
                    f"{each.predictability:.3f}  score {each.score:.3f}  "
                    f"NMI {each.nmi:.1f} ± {each.spread:.1f}",
                    flush=True,
                )
    decide(found)


def decide(found: dict[str, dict[str, Figures]]) -> None:
    """Print each change's scores as shares of those without it, and whether it is taken."""
    margin = ChooseConfig().margin
    plain = found.pop("as it is")
    print("\nshares of the score, in the order of the spaces; their geometric mean; taken")
    for words, figures in found.items():
        shares = {name: each.score / plain[name].score for name, each in figures.items()}
        counted = [share for name, share in shares.items() if TWICE not in name]
        mean = float(np.exp(np.mean(np.log(np.maximum(counted, 1e-3)))))
        taken = mean > 1 + margin and sum(one > 1 for one in counted) > len(counted) / 2
        row = "  ".join(f"{share:.2f}" for share in shares.values())
        print(f"{words:72} {row}  {mean:.3f}  {'yes' if taken else 'no'}")


if __name__ == "__main__":
    main()

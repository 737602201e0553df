r"""SAC with and without its weights, on captions as they are and with a share of them shuffled.

    python benchmarks/sac.py ../shared/datasets/cifar10_test.tar -k 10 --images 2000 \
        --captions ../shared/captions/Flickr8k.token.txt
    python benchmarks/sac.py ../shared/datasets/flickr8k_1000.tar -k 10 \
        --given ../shared/captions/Flickr8k.token.txt

Truth is the images' labels. A collection without labels (Flickr8k) is judged by captions that no
training sees: of an image's captions the first is given, and the others, embedded by MiniLM and
averaged, are grouped by k-means into as many groups as there are clusters.

Vectors and captions come from the flow's own steps; only the training is repeated, by the same
trainer. Prints a Markdown table; CPU seconds are user and system time of the process.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from sortal.configs.encoder import EncoderConfig
from sortal.configs.load import make_config
from sortal.configs.partition import PartitionConfig
from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Run, Steps
from sortal.flows.run.images import read_images
from sortal.flows.run.modalities import make_modalities
from sortal.flows.run.spaces import semantic_spaces
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import FileVectors, open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.arrays import centre, normalise
from sortal.tasks.captioning.given import read_pairs
from sortal.tasks.clustering.kmeans import kmeans
from sortal.tasks.corpora.captions import normalise as tidy
from sortal.tasks.encoders.registry import open_encoder
from sortal.tasks.heads.data import Data, Matrix, write_matrix
from sortal.tasks.heads.methods.sac import Sac
from sortal.tasks.heads.trainer import predict, train

METHODS = ("sac", "sac-unweighted")


@dataclass
class Collection:
    """Images (n, d), a caption of each (n, e), and what the clusters are compared with (n,)."""

    images: np.ndarray
    captions: np.ndarray
    truths: list[np.ndarray]


def prepare(args: argparse.Namespace) -> Collection:
    """Vectors, captions and truth of the collection, by the flow's steps."""
    config = configured(args, "sac")
    workspace = Workspace(Path(args.workspace)).create()
    run = Run.begin(config, Steps(workspace))
    images = read_images(run, config.source)
    spaces = semantic_spaces(run, images, images)
    modality = make_modalities(run, images, spaces.get("caption"))["description"]
    rows = open_vectors(workspace, images.vectors)
    captions = FileVectors(sorted(modality.folder(workspace).glob("vectors-*.parquet")))
    mean = np.load(images.vectors.file(workspace, "mean.npy"))
    other = np.load(modality.file(workspace, "mean.npy"))
    table = pq.read_table(images.scan.file(workspace, "images.parquet"))
    about = {row["key"]: row for row in table.select(["key", "path", "label"]).to_pylist()}
    keys = np.array(rows.keys)
    kept = np.sort(np.random.default_rng(0).permutation(len(keys))[: args.images or len(keys)])
    chosen = [about[key] for key in keys[kept]]
    labels = [row["label"] for row in chosen]
    return Collection(
        centre(read_all(rows), mean)[kept],
        centre(read_all(captions), other)[kept],
        by_held_out(args, chosen)
        if None in labels
        else [np.unique(labels, return_inverse=True)[1]],
    )


def configured(args: argparse.Namespace, method: str) -> RunConfig:
    """The run's settings."""
    values = {"source": args.source, "n_clusters": args.clusters, "method": method}
    values |= {"encoder": {"spec": args.encoder}, "lineage": {"enabled": False}}
    if args.captions:
        values["captions"] = {"source": args.captions}
    if args.given:
        values["captioner"] = {"kind": "given", "given": {"source": args.given}}
    return make_config(values, args.set)


def by_held_out(args: argparse.Namespace, rows: list[dict]) -> list[np.ndarray]:
    """Five k-means groupings of the mean MiniLM vector of each image's further captions."""
    texts: dict[str, list[str]] = {}
    for name, text in read_pairs(Path(args.given)):
        texts.setdefault(name, []).append(tidy(text))
    model = open_encoder(EncoderConfig(spec="minilm"))
    others = [texts[Path(row["path"]).name][1:] for row in rows]
    flat = normalise(model.encode_texts([text for each in others for text in each]))
    ends = np.cumsum([len(each) for each in others])[:-1]
    means = normalise(np.stack([part.mean(axis=0) for part in np.split(flat, ends)]))
    means = normalise(means - means.mean(axis=0))
    config = PartitionConfig(n_init=10)
    return [kmeans(means, args.clusters, config, random_state=s).labels for s in range(5)]


def shuffled(n: int, share: float, seed: int) -> np.ndarray:
    """Whose caption each image has: a `share` of them have one another's."""
    draw = np.random.default_rng([seed, 7])
    chosen = draw.permutation(n)[: round(share * n)]
    owner = np.arange(n)
    owner[chosen] = np.roll(chosen, 1)
    return owner


def once(args, data: Collection, method: str, share: float, seed: int) -> tuple[float, float]:
    """NMI of the clusters, and AUC of (weight, the caption is the image's own)."""
    config = configured(args, method).head
    n = len(data.images)
    owner = shuffled(n, share, seed)
    with tempfile.TemporaryDirectory(dir=args.workspace) as scratch:
        modalities = {}
        for name, rows in (("image", data.images), ("description", data.captions[owner])):
            path = Path(scratch) / f"modality-{name}.npy"
            write_matrix(path, rows.shape, [rows])
            modalities[name] = Matrix(path, "cpu")
        trainer = config.trainer.fitted(n, args.clusters)
        made, given = Sac(config), Data(args.clusters, modalities, {}, Path(scratch), seed, "cpu")
        train(made, given, trainer)
        labels = predict(made, given).labels
        weight = made.per_image(given)["weight"]
    nmi = np.mean([normalized_mutual_info_score(truth, labels) for truth in data.truths])
    own = owner == np.arange(n)
    return 100 * float(nmi), roc_auc_score(own, weight) if share else float("nan")


def main() -> None:
    """Parse, train, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("-k", "--clusters", type=int, required=True)
    parser.add_argument("--encoder", default="conse")
    parser.add_argument("--captions", help="the corpus of the captioner nearest")
    parser.add_argument("--given", help="a file of captions by image: the captioner given")
    parser.add_argument("--images", type=int, default=0, help="a random sample of so many")
    parser.add_argument("--share", type=float, default=0.5, help="of captions that are shuffled")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--workspace", default="sortal-workspace")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    logging.getLogger("sortal").setLevel(logging.WARNING)
    data = prepare(args)
    print(f"{len(data.images):,} images, {len(data.truths)} truths", file=sys.stderr, flush=True)
    print("| method | captions shuffled | NMI | AUC of the weight | CPU s a training |")
    print("|---|---|---|---|---|")
    for method in args.methods.split(","):
        for share in (0.0, args.share):
            start = time.process_time()
            found = np.array([once(args, data, method, share, s) for s in range(args.seeds)])
            cost = (time.process_time() - start) / args.seeds
            (nmi, auc), (spread, _) = found.mean(axis=0), found.std(axis=0, ddof=1)
            shown = f"{auc:.2f}" if share else "-"
            each = ", ".join(f"{value:.1f}" for value in found[:, 0])
            print(f"{method} {share}: {each}", file=sys.stderr)
            print(
                f"| {method} | {share:.0%} | {nmi:.1f} ± {spread:.1f} | {shown} | {cost:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

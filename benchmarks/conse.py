"""What `conse` would be with another shrinkage, or with a larger network, on five collections.

    python benchmarks/conse.py SHARED [--shrinkage 0.1,0.3,1] [--network tf_efficientnet_lite1:FILE]
        [--seeds 6] [--auto 0] [--space demo] [--cache FOLDER]

SHARED is the folder of test data: images 1 to 200 and 201 to 400 of each class of CIFAR-10's test
set, 1,000 photos of Flickr8k (no labels), the 344 pictures of the benchmark's `demo` and the 84
of `sortal demo`. For each: the accuracy of the class names themselves, NMI of `kmeans`, `cae` and
`auto`, the label-free score of the first two (agreement of seeds x predictability), and how many of
`cae`'s clusters have a name, and a right one. Texts are embedded exactly, not as the package's
table has them, so that no table needs to be made. `--network` is a network of timm and a file of
its weights, at the network's own size of images; `--cache`, a folder that is there, keeps class
scores and text vectors from call to call.
"""

import argparse
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import timm
import torch
from defaults import Space, figures_of, first_of_each
from names import Case, is_right, run
from PIL import Image
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sortal.configs.schema import CaptionsConfig, NounsConfig
from sortal.storage.lake.lake import Lake
from sortal.storage.rows import FloatArray
from sortal.storage.vectors import vector_table
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora import wordnet
from sortal.tasks.corpora.caption_files import read_captions
from sortal.tasks.corpora.captions import STARTER, caption_corpus
from sortal.tasks.corpora.nouns import noun_corpus
from sortal.tasks.datasets.openmoji import THINGS, build, build_things
from sortal.tasks.encoders.base import unit
from sortal.tasks.encoders.conse import (
    Classes,
    CropToTensor,
    Whitening,
    class_axes,
    class_names,
)
from sortal.tasks.encoders.embedded import AXES, POWER, SHRINKAGE, SIZE, classifier_file
from sortal.tasks.encoders.minilm import MiniLM
from sortal.tasks.evaluation.names import Senses

BATCH = 32
PACKAGED = "tf_efficientnet_lite0"
NAMED = 2  # seeds of which names are judged
NMI = "SELECT nmi FROM scores WHERE method = 'auto'"


def fold_batch_norms(model: torch.nn.Module) -> torch.nn.Module:
    """Put each batch norm's scale and shift into the convolution before it: a third faster.

    Right for networks whose modules are listed in the order they run, as EfficientNet's are.
    """
    convolution = None
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Conv2d):
            convolution = module
        elif isinstance(module, torch.nn.BatchNorm2d) and convolution is not None:
            fused = fuse_conv_bn_eval(convolution, module)
            convolution.weight, convolution.bias = fused.weight, fused.bias
            model.set_submodule(name, getattr(module, "act", torch.nn.Identity()))
            convolution = None
    return model


class Network(NamedTuple):
    """A classifier of ImageNet: its name in timm, and the weights' file."""

    name: str
    file: Path

    def load(self) -> torch.nn.Module:
        """With the weights, whose layers come in timm's order."""
        state = torch.load(self.file, map_location="cpu", weights_only=True)
        model = timm.create_model(self.name, pretrained=False)
        model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
        return fold_batch_norms(model.eval())

    @property
    def size(self) -> int:
        """Pixels a side."""
        if self.name == PACKAGED:
            return SIZE
        return int(timm.get_pretrained_cfg(self.name).input_size[1])


class Collection(NamedTuple):
    """A folder of images, labelled by their folders or not, and how many clusters are made."""

    name: str
    folder: Path
    n_clusters: int
    labelled: bool = True

    @property
    def files(self) -> list[Path]:
        """The images in order."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def collections(shared: Path, folder: Path) -> Iterator[Collection]:
    """The collections, drawn or copied into `folder`."""
    for start, stop in ((0, 200), (200, 400)):
        place = first_of_each(shared, folder, start, stop)
        yield Collection(f"cifar10 {start + 1}-{stop}", place, 10)
    with tarfile.open(shared / "datasets" / "flickr8k_1000.tar") as archive:
        archive.extractall(folder / "flickr8k", filter="data")
    yield Collection("flickr8k", folder / "flickr8k", 20, labelled=False)
    yield Collection("demo, 344", build(folder / "openmoji"), 14)
    things = build_things(Workspace(folder / "drawn").create())
    yield Collection("sortal demo", things, len(THINGS))


@torch.inference_mode()
def scores(network: Network, files: list[Path]) -> FloatArray:
    """Class scores (n, 1000) of images, each with its own mean removed; prints the speed."""
    model, cut = network.load().to(memory_format=torch.channels_last), CropToTensor(network.size)
    found, spent = [], 0.0
    for start in range(0, len(files), BATCH):
        images = [Image.open(path).convert("RGB") for path in files[start : start + BATCH]]
        batch = torch.stack([cut(image) for image in images])
        before = time.process_time()
        pixels = batch.to(memory_format=torch.channels_last, dtype=torch.float32)
        logits = model(pixels / 127.5 - 1.0)
        spent += time.process_time() - before
        found.append((logits - logits.mean(dim=1, keepdim=True)).numpy())
    print(f"  {network.name}: {len(files) / spent:.1f} images/s of processor time", flush=True)
    return np.concatenate(found)


class Texts(NamedTuple):
    """The package's nouns and captions and ImageNet's class names, with MiniLM's vectors."""

    nouns: list[str]
    captions: list[str]
    vectors: FloatArray  # of the nouns, then of the captions
    classes: FloatArray


def texts(cache: Path) -> Texts:
    """Embedded once a cache."""
    nouns = noun_corpus(wordnet.read_embedded(), NounsConfig())["text"].to_pylist()
    table, _ = caption_corpus(read_captions(STARTER, "text"), CaptionsConfig())
    captions, file = table["text"].to_pylist(), cache / "texts.npz"
    if not file.exists():
        model = MiniLM("cpu")
        vectors = model.embed([*nouns, *captions])
        np.savez(file, vectors=vectors, classes=model.embed(class_names()))
    with np.load(file) as found:
        return Texts(nouns, captions, found["vectors"], found["classes"])


def classes_of(network: Network, known: Texts, shrinkage: float) -> Classes:
    """What `Classes.of` computes, with another shrinkage or network."""
    whiten = Whitening.of(known.classes, shrinkage)
    state = torch.load(network.file, map_location="cpu", weights_only=True)
    weight = next(each for each in reversed(state.values()) if each.ndim == 2)
    axes = class_axes(weight.numpy(), AXES, POWER)
    return Classes(whiten, np.asarray(axes @ (axes.T @ whiten(known.classes)), np.float32))


def write_space(
    folder: Path, each: Collection, images: FloatArray, known: Texts, by: Classes
) -> None:
    """Ready-made vectors for `vectors:`: images, nouns and captions."""
    folder.mkdir(parents=True)
    names = [str(path.relative_to(each.folder)) for path in each.files]
    table = vector_table(names, images)
    if each.labelled:
        labels = pa.array([path.parent.name for path in each.files], pa.string())
        table = table.append_column("label", labels)
    pq.write_table(table, folder / "images.parquet")
    vectors = by.whiten(known.vectors)
    parts = {"nouns": (known.nouns, slice(0, len(known.nouns)))}
    parts["captions"] = known.captions, slice(len(known.nouns), None)
    for name, (words, rows) in parts.items():
        table = vector_table(words, vectors[rows]).rename_columns(["text", "vector"])
        pq.write_table(table, folder / f"{name}.parquet")


def by_names(each: Collection, images: FloatArray, by: Classes) -> float:
    """The accuracy (%) of the labels' own words."""
    labels = [path.parent.name for path in each.files]
    kinds = sorted(set(labels))
    found = (images @ by.whiten(MiniLM("cpu").embed(kinds)).T).argmax(axis=1)
    return 100 * float(
        np.mean([kinds[place] == label for place, label in zip(found, labels, strict=True)])
    )


def judge(each: Collection, place: Path, seeds: int, auto: int) -> str:
    """The figures of the ready-made vectors in `place`, as a line."""
    values = {"source": str(place), "encoder": {"spec": f"vectors:{place}"}}
    line = ""
    for method in ("kmeans", "cae"):
        space = Space(each.name, values | {"method": method}, each.n_clusters)
        found = figures_of(space, (), seeds, Workspace(place / "workspace").create())
        line += f"{method} {found.nmi:.1f} ± {found.spread:.1f} (score {found.score:.3f} = "
        line += f"{found.agreement:.3f} x {found.predictability:.3f})  "
    if not each.labelled:
        return line
    senses, rows = Senses(wordnet.read_embedded()), []
    for method, count in (("cae", NAMED), ("auto", auto)):
        for seed in range(count):
            case = Case(f"{each.name}, {method}", values | {"method": method}, ())
            found = run(case, each.n_clusters, seed, place / "workspace").to_pylist()
            rows += found if method == "cae" else []
    named = [row for row in rows if row["is_named"]]
    right = [row for row in named if is_right(row["name"], row["label"], senses)]
    line += f"names of cae: {len(rows)} kinds, {len(named)} named, {len(right)} right"
    with Lake(Workspace(place / "workspace"), read_only=True) as lake:
        scored = [100 * row[0] for row in lake.execute(NMI).fetchall()]
    return line + (f"  auto {np.mean(scored):.1f}" if scored else "")


def main() -> None:
    """Print a line for each collection, network and shrinkage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of test data")
    parser.add_argument("--shrinkage", default=f"{SHRINKAGE},0.3,1")
    parser.add_argument("--network", help="NAME:FILE; default: the packaged one")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--auto", type=int, default=0, help="seeds of auto")
    parser.add_argument("--space", default="", help="a part of the collections' names")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    name, _, file = (options.network or "").partition(":")
    network = Network(name, Path(file)) if name else Network(PACKAGED, classifier_file())
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        known = texts(cache)
        for each in collections(options.shared, Path(folder)):
            if options.space not in each.name:
                continue
            of_images = cache / f"{network.name}-{each.name.replace(' ', '-')}.npy"
            if not of_images.exists():
                np.save(of_images, scores(network, each.files))
            for shrinkage in map(float, options.shrinkage.split(",")):
                by = classes_of(network, known, shrinkage)
                images = unit(np.load(of_images) @ by.mixture)
                place = Path(folder) / f"{each.name}-{shrinkage:g}".replace(" ", "-")
                write_space(place, each, images, known, by)
                ceiling = f"names {by_names(each, images, by):.1f}  " if each.labelled else ""
                line = judge(each, place, options.seeds, options.auto)
                print(f"{network.name} {shrinkage:<4g} {each.name:16} {ceiling}{line}", flush=True)
                shutil.rmtree(place)


if __name__ == "__main__":
    main()

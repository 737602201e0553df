"""Labelled collections that torchvision knows, as files: their own, or PNG where they have none.

torchvision downloads and checks the archives; nothing of a picture is lost.
"""

import inspect
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from sortal.configs.errors import RunError

# CIFAR-100's superclasses and their classes, by which CIFAR-20 is labelled.
SUPERCLASSES = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
_SUPERCLASS_OF = {name: kind for kind, names in SUPERCLASSES.items() for name in names.split()}


def superclass(name: str) -> str:
    """The superclass of a class of CIFAR-100."""
    return _SUPERCLASS_OF[name]


class Known(NamedTuple):
    """A dataset class, and the arguments that make its train and its test split."""

    kind: str
    train: tuple[dict[str, Any], ...]
    test: tuple[dict[str, Any], ...]
    label: Callable[[str], str] = str


def _split(*names: str) -> tuple[dict[str, Any], ...]:
    return tuple({"split": name} for name in names)


# Train and validation parts together are the train split (docs/methods.md#datasets-and-protocol).
SETS = {
    "cifar10": Known("CIFAR10", ({"train": True},), ({"train": False},)),
    "cifar20": Known("CIFAR100", ({"train": True},), ({"train": False},), superclass),
    "cifar100": Known("CIFAR100", ({"train": True},), ({"train": False},)),
    "stl10": Known("STL10", _split("train"), _split("test")),
    "svhn": Known("SVHN", _split("train"), _split("test")),
    "dtd": Known("DTD", _split("train", "val"), _split("test")),
    "flowers102": Known("Flowers102", _split("train", "val"), _split("test")),
    "food101": Known("Food101", _split("train"), _split("test")),
    "oxford-pets": Known("OxfordIIITPet", _split("trainval"), _split("test")),
    "fgvc-aircraft": Known("FGVCAircraft", _split("trainval"), _split("test")),
}


def reader(name: str, downloads: Path) -> Callable[[str], Any]:
    """What gives the images of a split: how many, and one by one (label, extension, bytes).

    Archives are in `downloads`, or are fetched there. Raises RunError where they cannot be.
    """
    known = SETS[name]

    def read(split: str) -> tuple[int, Iterator[tuple[str, str, bytes]]]:
        parts = [_open(known, downloads, kind) for kind in getattr(known, split)]
        return sum(map(len, parts)), (image for part in parts for image in _images(part, known))

    return read


def _open(known: Known, downloads: Path, kind: dict[str, Any]) -> Any:
    from torchvision import datasets

    dataset = getattr(datasets, known.kind)
    files = {"loader": Path} if "loader" in inspect.signature(dataset).parameters else {}
    downloads.mkdir(parents=True, exist_ok=True)
    try:
        return dataset(str(downloads), download=True, **kind, **files)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RunError(
            f"torchvision's {known.kind} must be in {downloads} or come from the network: "
            f"{reason}; put its files there and run again, or give a folder of images"
        ) from error


def _images(dataset: Any, known: Known) -> Iterator[tuple[str, str, bytes]]:
    classes = getattr(dataset, "classes", None)
    for index in range(len(dataset)):
        image, target = dataset[index]
        label = known.label(classes[target] if classes else str(target))
        if isinstance(image, Path):
            yield label, image.suffix.lower(), image.read_bytes()
        else:
            yield label, ".png", _png(image)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()

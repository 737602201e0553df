"""Subsets of ImageNet by their WordNet ids, from a folder that the user has.

Which: docs/methods.md#datasets-and-protocol.

The folder is ILSVRC's as torchvision and most people lay it out: `train/<id>/` and `val/<id>/`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sortal.configs.errors import UsageError
from sortal.tasks.corpora.wordnet import read_embedded
from sortal.tasks.sources.base import is_image

SUBSETS = {
    "imagenet-10": (
        "n02056570",
        "n02085936",
        "n02128757",
        "n02690373",
        "n02692877",
        "n03095699",
        "n04254680",
        "n04285008",
        "n04467665",
        "n07747607",
    ),
    "imagenet-dogs": (
        "n02085936",
        "n02086646",
        "n02088238",
        "n02091467",
        "n02097130",
        "n02099601",
        "n02101388",
        "n02101556",
        "n02102177",
        "n02105056",
        "n02105412",
        "n02105855",
        "n02107142",
        "n02110958",
        "n02112137",
    ),
}
_FOLDERS = {"train": "train", "test": "val"}  # the test split is ILSVRC's validation set


def reader(name: str, folder: Path | None) -> Callable[[str], Any]:
    """What gives the images of a split: how many, and one by one (label, extension, bytes).

    A class is called by the first lemma of its synset. Raises UsageError where the folder is not
    given or lacks a class.
    """
    if folder is None:
        raise UsageError(
            f"{name} is cut from an ImageNet of yours: give the folder with train/ and val/ by "
            "--imagenet or SORTAL_IMAGENET"
        )
    labels = lemmas(SUBSETS[name])

    def read(split: str) -> tuple[int, Iterator[tuple[str, str, bytes]]]:
        files = [
            (labels[wnid], path)
            for wnid in SUBSETS[name]
            for path in _files(folder / _FOLDERS[split] / wnid)
        ]
        images = ((label, path.suffix.lower(), path.read_bytes()) for label, path in files)
        return len(files), images

    return read


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*") if is_image(path.name))
    if not found:
        raise UsageError(
            f"an ImageNet folder must hold train/<id>/ and val/<id>/ with images, got none in "
            f"{folder}; check --imagenet"
        )
    return found


def lemmas(wnids: Sequence[str]) -> dict[str, str]:
    """The first lemma of each WordNet noun id (`n02056570`: king penguin)."""
    table = read_embedded()
    lemma_of = dict(zip(table["offset"].to_pylist(), table["lemmas"].to_pylist(), strict=True))
    return {wnid: lemma_of[int(wnid[1:])][0].replace("_", " ") for wnid in wnids}

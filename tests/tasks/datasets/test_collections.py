"""Named collections: torchvision's own readers on small files in their formats on disk."""

import hashlib
import json
import pickle
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sortal.configs.errors import RunError, UsageError
from sortal.configs.schema import ImagesConfig
from sortal.tasks.datasets import collections as named
from sortal.tasks.datasets import imagenet
from sortal.tasks.datasets.collections import find_collection
from sortal.tasks.datasets.openmoji import THINGS, build_in, build_things
from sortal.tasks.datasets.torchvision_sets import SUPERCLASSES
from sortal.tasks.scan.step import scan

RNG = np.random.default_rng(0)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar(workspace, monkeypatch, kind, folder, classes, key, label, batches):
    """Pickled batches as the archive holds them; returns the pixels by split."""
    root = workspace.root / "downloads" / folder
    root.mkdir(parents=True)
    pixels = {}
    for name, count in batches.items():
        rows = RNG.integers(0, 256, (count, 3072), dtype=np.uint8)
        pixels[name] = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = [i % len(classes) for i in range(count)]
        (root / name).write_bytes(pickle.dumps({"data": rows, label: labels}))
    meta = {**kind.meta}
    (root / meta["filename"]).write_bytes(pickle.dumps({key: classes}))
    monkeypatch.setattr(kind, "meta", {**meta, "md5": md5(root / meta["filename"])})
    sums = [[name, md5(root / name)] for name in batches]
    monkeypatch.setattr(kind, "train_list", sums[:-1])
    monkeypatch.setattr(kind, "test_list", sums[-1:])
    return pixels


@pytest.fixture
def datasets():
    from torchvision import datasets  # takes seconds, and every process reads this file

    return datasets


@pytest.fixture
def cifar10(workspace, monkeypatch, datasets):
    batches = {"data_batch_1": 6, "data_batch_2": 4, "test_batch": 3}
    folder, classes = "cifar-10-batches-py", ["cat", "dog"]
    return cifar(
        workspace, monkeypatch, datasets.CIFAR10, folder, classes, "label_names", "labels", batches
    )


def rows(workspace, source):
    found = scan(workspace, source=source, config=ImagesConfig(num_workers=0))
    return found.facts["n_images"], found.facts["n_classes"], found.facts["n_failed"]


def test_cifar_10_is_kept_to_the_pixel_with_labels_and_both_splits(workspace, cifar10):
    found = find_collection("cifar10", workspace)
    assert found.name == "cifar10" and found.train.endswith("cifar10/train")
    assert rows(workspace, found.source) == (13, 2, 0)  # whole: labels are of metadata.csv
    part = find_collection("cifar10/test", workspace)
    assert (part.name, part.train) == ("cifar10/test", None)
    assert rows(workspace, part.source) == (3, 2, 0)
    first = workspace.root / "collections/cifar10/test/cat/000000.png"
    np.testing.assert_array_equal(np.array(Image.open(first)), cifar10["test_batch"][0])


def test_a_collection_is_made_once_and_what_is_lost_of_it_alone_again(workspace, cifar10):
    find_collection("cifar10", workspace)
    folder = workspace.root / "collections/cifar10"
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    lost, cut = sorted(times)[:2]
    find_collection("cifar10", workspace)
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    (folder / "metadata.csv").unlink()  # as if killed before the end
    find_collection("cifar10", workspace)
    kept = {path for path, time in times.items() if path.stat().st_mtime_ns == time}
    assert set(times) - kept == {lost, cut}
    assert not list(folder.rglob(".tmp-*"))


def test_cifar_20_has_the_superclasses_of_cifar_100(workspace, monkeypatch, datasets):
    classes = sorted(" ".join(SUPERCLASSES.values()).split())
    assert len(classes) == 100 and len(SUPERCLASSES) == 20
    names = ("fine_label_names", "fine_labels")
    batches = {"train": 100, "test": 100}
    cifar(workspace, monkeypatch, datasets.CIFAR100, "cifar-100-python", classes, *names, batches)
    assert rows(workspace, find_collection("cifar20/test", workspace).source) == (100, 20, 0)
    assert rows(workspace, find_collection("cifar100/test", workspace).source) == (100, 100, 0)
    trees = workspace.root / "collections/cifar20/test/trees"
    assert len(list(trees.iterdir())) == 5


def test_stl_10_is_turned_the_right_way_up(workspace, monkeypatch, datasets):
    root = workspace.root / "downloads/stl10_binary"
    root.mkdir(parents=True)
    picture = RNG.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    for split in ("train", "test"):
        picture.transpose(2, 1, 0).tofile(root / f"{split}_X.bin")  # columns first, as it is kept
        np.array([2], np.uint8).tofile(root / f"{split}_y.bin")
    (root / "class_names.txt").write_text("airplane\nbird\n")
    for split in ("train", "test"):
        files = [f"{split}_X.bin", f"{split}_y.bin"]
        sums = [[name, md5(root / name)] for name in files]
        monkeypatch.setattr(datasets.STL10, f"{split}_list", sums)
    find_collection("stl10", workspace)
    (path,) = (workspace.root / "collections/stl10/test").rglob("*.png")
    assert path.parent.name == "bird"
    np.testing.assert_array_equal(np.array(Image.open(path)), picture)


def jpeg(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    out = BytesIO()
    Image.fromarray(RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(out, "JPEG")
    path.write_bytes(out.getvalue())
    return out.getvalue()


def test_files_of_dtd_are_copied_as_they_are_and_validation_is_trained_on(workspace):
    root = workspace.root / "downloads/dtd/dtd"
    places = ["lined/a.jpg", "dotted/b.jpg", "lined/c.jpg", "dotted/d.jpg"]
    data = {place: jpeg(root / "images" / place) for place in places}
    (root / "labels").mkdir()
    for split, lines in (("train", "lined/a.jpg"), ("val", "dotted/b.jpg")):
        (root / "labels" / f"{split}1.txt").write_text(f"{lines}\n")
    (root / "labels/test1.txt").write_text("lined/c.jpg\ndotted/d.jpg\n")
    found = find_collection("dtd", workspace, split=True)
    assert rows(workspace, found.train) == (2, 2, 0)
    kept = workspace.root / "collections/dtd/test/lined/000000.jpg"
    assert kept.read_bytes() == data["lined/c.jpg"]


def test_food_101_and_the_pets_are_read(workspace):
    food = workspace.root / "downloads/food-101"
    jpeg(food / "images/apple_pie/1.jpg"), jpeg(food / "images/ramen/2.jpg")
    (food / "meta").mkdir()
    for split in ("train", "test"):
        names = {"apple_pie": ["apple_pie/1"], "ramen": ["ramen/2"]}
        (food / "meta" / f"{split}.json").write_text(json.dumps(names))
    assert rows(workspace, find_collection("food101/test", workspace).source) == (2, 2, 0)
    pets = workspace.root / "downloads/oxford-iiit-pet"
    jpeg(pets / "images/Abyssinian_1.jpg"), jpeg(pets / "images/great_pyrenees_2.jpg")
    (pets / "annotations").mkdir()
    for split in ("trainval", "test"):
        text = "Abyssinian_1 1 1 1\ngreat_pyrenees_2 2 2 1\n"
        (pets / "annotations" / f"{split}.txt").write_text(text)
    assert rows(workspace, find_collection("oxford-pets/test", workspace).source) == (2, 2, 0)
    assert (workspace.root / "collections/oxford-pets/test/Great Pyrenees").is_dir()


def test_without_a_network_or_files_the_way_out_is_told(workspace, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", refuse)
    with pytest.raises(RunError, match="put its files there and run again") as error:
        find_collection("cifar10", workspace)
    assert "\n" not in str(error.value)


def test_imagenets_subsets_are_cut_from_a_folder_by_their_ids(workspace, tmp_path):
    for folder in ("train", "val"):
        for wnid in (*imagenet.SUBSETS["imagenet-10"], "n99999999"):
            jpeg(tmp_path / folder / wnid / f"{wnid}_1.JPEG")
    found = find_collection("imagenet-10", workspace, tmp_path)
    assert rows(workspace, found.source) == (20, 10, 0)
    labels = {path.name for path in (workspace.root / "collections/imagenet-10/test").iterdir()}
    assert {"king penguin", "airliner", "snow leopard", "orange"} < labels
    with pytest.raises(UsageError, match="got none in .*n02086646"):
        find_collection("imagenet-dogs", workspace, tmp_path)
    with pytest.raises(UsageError, match="SORTAL_IMAGENET"):
        find_collection("imagenet-dogs", workspace)
    assert [len(ids) for ids in imagenet.SUBSETS.values()] == [10, 15]


def test_a_folder_of_splits_is_learnt_on_train_and_measured_on_test(workspace, tmp_path):
    for part in named.SPLITS:
        jpeg(tmp_path / "pets" / part / "cat" / "a.jpg")
    found = find_collection(str(tmp_path / "pets"), workspace, split=True)
    assert (found.name, found.source, found.train) == (
        "pets", str(tmp_path / "pets/test"), str(tmp_path / "pets/train"),
    )  # fmt: skip
    with pytest.raises(UsageError, match="whose names are no labels"):
        find_collection(str(tmp_path / "pets"), workspace)
    with pytest.raises(UsageError, match="has none; give one with --train"):
        find_collection(str(tmp_path / "pets/test"), workspace, split=True)
    with pytest.raises(UsageError, match="source must exist.*cifar10"):
        find_collection("cifar11", workspace)


def test_the_demo_and_its_benchmark_are_one_collection(workspace):
    """An empty folder stands for the pictures, which are drawn where none is."""
    inside, beside = workspace.root / "collections" / "openmoji", workspace.root.parent / "openmoji"
    inside.mkdir(parents=True)
    for place in (inside, beside):  # beside is where the demo of earlier versions drew them
        place.mkdir(exist_ok=True)
        assert find_collection("demo", workspace).source == str(build_in(workspace)) == str(place)


def test_the_demo_draws_every_picture_that_it_names_large_and_with_thin_lines(workspace):
    folder = build_things(workspace)
    found = {(path.parent.name, path.stem) for path in folder.rglob("*.png")}
    assert found == {(kind, name) for kind, names in THINGS.items() for name in names.split()}
    with Image.open(folder / "clocks" / "clock1.png") as picture:
        dark = np.asarray(picture.convert("L")) < 128
    assert dark.shape == (224, 224)
    assert dark.any(axis=0).sum() > 0.9 * 224  # it fills the picture
    assert dark.mean() < 0.08  # 0.13 with OpenMoji's own lines

"""Classes and splits by folders, in trees and containers."""

import pyarrow as pa
import pytest

from listings import inputs
from sortal.tasks.labels.find import find_labels, settle
from sortal.tasks.labels.formats.meaning import split_of_file, split_of_folder


def labels(images, members=False, lost=()):
    said = find_labels(inputs(images, members=members))
    is_image = pa.array([path not in lost for path in images])
    return settle(said, is_image).to_pylist(), said.split.to_pylist()


def test_class_folders_are_labels_unless_an_image_lies_outside_them():
    paths = ["cat/1.jpg", "dog/deep/2.jpg", "broken.jpg"]
    assert labels(paths, lost=["broken.jpg"])[0] == ["cat", "dog", None]
    assert labels(paths)[0] == [None, None, None]


@pytest.mark.parametrize(
    "form",
    ["{s}/{c}/{i}.jpg", "data/{s}/{c}/{i}.jpg", "a/b/{s}2017/{c}/{i}.jpg", "{s}/images/{c}/{i}.jpg",
     "{c}/{s}/{i}.jpg", "{s}_set/{c}/deep/{i}.jpg"],
)  # fmt: skip
@pytest.mark.parametrize("splits", [("train", "test"), ("Train", "Valid"), ("training", "dev")])
@pytest.mark.parametrize("members", [False, True])
def test_splits_are_no_classes(form, splits, members):
    images = [form.format(s=splits[i > 2], c=("cat", "dog")[i % 2], i=i) for i in range(6)]
    label, split = labels(images, members)
    assert label == ["cat", "dog"] * 3
    assert split == [splits[0].lower()] * 3 + [splits[1].lower()] * 3


def test_a_split_alone_and_a_flat_one():
    assert labels(["val/a/1.jpg", "val/b/2.jpg"]) == (["a", "b"], ["val", "val"])
    assert labels(["val/1.jpg", "val/2.jpg"]) == ([None, None], ["val", "val"])
    flat = ["train/a/1.jpg", "train/b/2.jpg", "test/3.jpg"]
    assert labels(flat) == (["a", "b", None], ["train", "train", "test"])


@pytest.mark.parametrize("members", [False, True])
def test_one_folder_alone_is_no_class(members):
    assert labels(["s.tar/beach/1.jpg", "s.tar/beach/sub/2.jpg"], members)[0] == [None, None]
    assert labels(["train/cat/1.jpg", "test/cat/2.jpg"], members)[0] == [None, None]
    assert labels(["a/b/1.jpg", "a/c/2.jpg"])[0] == [None, None]


def test_a_class_may_be_called_like_a_split():
    paths = ["cat/1.jpg", "test/2.jpg", "dog/3.jpg"]
    assert labels(paths) == (["cat", "test", "dog"], [None] * 3)
    paths = ["bus/1.jpg", "train/2.jpg", "car/3.jpg"]
    assert labels(paths) == (["bus", "train", "car"], [None] * 3)


def test_folders_around_containers_are_no_classes_and_those_inside_are():
    paths = ["x/a.tar/top/cat/1.jpg", "x/a.tar/top/dog/2.jpg", "y/b.zip/holiday/3.jpg"]
    assert labels(paths, members=True)[0] == ["cat", "dog", None]
    shards = ["0.tar/cat/1.jpg", "0.tar/dog/2.jpg", "1.tar.gz/cat/3.jpg"]
    assert labels(shards, members=True)[0] == ["cat", "dog", "cat"]
    rows = ["cat/a.parquet/1/x.jpg", "cat/A.PARQUET/2.0"]
    assert labels(rows, members=True) == ([None, None], [None, None])


def test_containers_are_named_after_their_splits():
    names = {
        "train-00000-of-00001.parquet": "train", "data/Test-0.arrow": "test", "val.tar.gz": "val",
        "imagenet-train-000012.tar": "train", "validation_3.zip": "validation",
        "contest.tar": None, "trainer.tar": None, "00012.tar": None, "my-test-photos.zip": None,
    }  # fmt: skip
    assert {name: split_of_file(name) for name in names} == names
    assert [split_of_folder(n) for n in ("test_images", "Val2017", "tests", "train-x")] == [
        "test", "val", None, None,
    ]  # fmt: skip
    paths = ["train-0.parquet/0", "train-0.parquet/1/a.jpg", "test/x.tar/a.jpg"]
    assert labels(paths, members=True)[1] == ["train", "train", "test"]

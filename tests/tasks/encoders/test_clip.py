"""open_clip encoders: the model's own preprocessing, safe weights, and clear refusals."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.configs.schema import CaptionsConfig, NounsConfig
from sortal.tasks.encoders.base import (
    CHOOSING,
    PLAIN,
    SIC_TEMPLATES,
    TAC_TEMPLATES,
    selection_templates_of,
    templates_of,
)
from sortal.tasks.encoders.registry import describe, open_encoder
from tiny_clip import TINY, tiny


def picture(seed=0, size=(50, 40)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.fixture(scope="module")
def tiny_spec(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def tiny_model(tmp_path):
    """The name of a tiny model that open_clip knows, and a bare weights file for it."""
    (tmp_path / "sortal-tiny.json").write_text(json.dumps(TINY))
    from open_clip import add_model_config  # takes seconds, and every process reads this file

    add_model_config(tmp_path / "sortal-tiny.json")
    tiny(tmp_path / "weights")
    return "sortal-tiny", tmp_path / "weights" / "model.pth"


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
    from open_clip import create_model_and_transforms

    encoder = open_encoder(EncoderConfig(spec=tiny_spec, device="cpu"))
    model, _, preprocess = create_model_and_transforms(tiny_spec.split(":", 1)[1])
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
    assert templates_of(NounsConfig(templates="sic"), clip_info) == SIC_TEMPLATES
    assert templates_of(NounsConfig(templates="sic"), conse_info) == PLAIN  # it compares words
    assert templates_of(NounsConfig(templates=("my {}",)), conse_info) == ("my {}",)
    assert templates_of(NounsConfig(templates=("my {}",)), clip_info) == ("my {}",)
    assert templates_of(CaptionsConfig(), clip_info) == PLAIN
    assert selection_templates_of(NounsConfig(), clip_info) == CHOOSING
    assert selection_templates_of(NounsConfig(), conse_info) == PLAIN
    for asked in ("tac", "sic", ("my {}", "your {}")):
        section = NounsConfig(templates=asked)
        assert selection_templates_of(section, clip_info) == templates_of(section, clip_info)
    assert selection_templates_of(CaptionsConfig(), clip_info) == PLAIN
    for wrong in (("no place",), ("{} and {}",), ()):
        with pytest.raises(UsageError, match="must each hold one {}"):
            templates_of(NounsConfig(templates=wrong), clip_info)


def test_downloaded_checkpoints_are_those_in_the_cache(tmp_path, monkeypatch):
    import huggingface_hub

    from sortal.tasks.encoders import clip

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert clip.downloaded() == []
    repository = tmp_path / "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"
    for path, text in (("refs/main", "abc"), ("snapshots/abc/open_clip_model.safetensors", "")):
        (repository / path).parent.mkdir(parents=True)
        (repository / path).write_text(text)
    assert clip.downloaded() == ["open_clip:ViT-B-32/laion2b_s34b_b79k"]

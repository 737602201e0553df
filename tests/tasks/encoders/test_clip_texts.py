"""Texts cut at the longest of their batch have the vectors that they have at full length."""

import numpy as np
import pytest
import torch

from sortal.tasks.devices.running import Running
from sortal.tasks.encoders.base import unit
from sortal.tasks.encoders.clip_texts import TextTower
from tiny_clip import COCA, TINY

TEXTS = ["a", "a photo of a dog", "two dogs " * 30, "", "a cat that sleeps on a warm stone"]


def tower(model: torch.nn.Module, context: int = 16, batch_size: int = 2) -> TextTower:
    from open_clip import SimpleTokenizer

    torch.manual_seed(0)
    tokenizer = SimpleTokenizer(context_length=context)
    return TextTower(model.eval(), tokenizer, Running("cpu"), batch_size)


def reference(model: torch.nn.Module, context: int = 16) -> np.ndarray:
    from open_clip import SimpleTokenizer

    tokens = SimpleTokenizer(context_length=context)(TEXTS)
    with torch.inference_mode():
        return model.eval().encode_text(tokens).numpy()


@pytest.fixture
def open_clip():
    import open_clip  # takes seconds, and every process of a test run reads this file

    return open_clip


@pytest.mark.parametrize("kind", ["CLIP", "CustomTextCLIP"])
def test_a_causal_tower_takes_texts_without_their_padding(open_clip, kind):
    model = getattr(open_clip.model, kind)(**TINY)
    found = tower(model)
    counted = []
    got = found.encode(TEXTS, counted.append)
    assert found.cuts
    assert sum(counted) == len(TEXTS)
    assert len(counted) > 1
    np.testing.assert_allclose(unit(got), unit(reference(model)), atol=1e-5)
    assert model.encode_text(torch.zeros(1, 16, dtype=torch.long)).shape == (1, 16)


def test_a_tower_that_reads_its_last_position_gets_the_full_length(open_clip):
    text = {**TINY["text_cfg"], "pool_type": "last", "no_causal_mask": True}
    model = open_clip.model.CustomTextCLIP(**{**TINY, "text_cfg": text})
    found = tower(model)
    assert not found.cuts
    np.testing.assert_allclose(unit(found.encode(TEXTS)), unit(reference(model)), atol=1e-5)


def test_a_tower_with_a_class_token_has_the_vectors_of_its_full_length(open_clip):
    model = open_clip.CoCa(**{name: COCA[name] for name in COCA if name != "custom_text"})
    found = tower(model)
    np.testing.assert_allclose(unit(found.encode(TEXTS)), unit(reference(model)), atol=1e-5)

"""How networks run on a GPU, tried on a CPU: rounded numbers, channels last, torch.compile."""

import numpy as np
import pytest
import torch

from compilers import needs_compiler
from sortal.configs.encoder import EncoderConfig
from sortal.tasks.devices.running import Running
from sortal.tasks.encoders.registry import open_encoder
from tiny_clip import tiny


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("running") / "tiny")


def opened(spec: str, running: Running, monkeypatch):
    """The encoder as a GPU would have it, on the CPU."""
    monkeypatch.setattr(Running, "on", classmethod(lambda *_: running))
    return open_encoder(EncoderConfig(spec=spec, device="cpu"))


def pixels(size: int, count: int = 6) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_a_gpu_takes_what_is_configured_and_a_cpu_float32():
    config = EncoderConfig(precision="bfloat16", compile=True)
    assert Running.on("cuda", config) == Running("cuda", "bfloat16", True)
    assert Running.on("cuda", EncoderConfig()) == Running("cuda", "float16", False)
    assert Running.on("cuda", EncoderConfig(precision="float32")).precision == "float32"
    assert Running.on("cpu", config) == Running("cpu")
    assert Running.on("mps", config) == Running("mps")


@pytest.mark.parametrize(("precision", "most"), [("float16", 1e-4), ("bfloat16", 5e-3)])
def test_under_autocast_vectors_differ_by_rounding_and_no_more(spec, precision, most, monkeypatch):
    exact = opened(spec, Running("cpu"), monkeypatch)
    half = opened(spec, Running("cpu", precision), monkeypatch)
    for one, other in (
        (exact.encode_images(pixels(32)), half.encode_images(pixels(32))),
        (exact.encode_texts(["a dog", "two cats"]), half.encode_texts(["a dog", "two cats"])),
    ):
        assert other.dtype == np.float32
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        apart = 1 - np.einsum("nd,nd->n", one, other) / norms
        assert 0 < apart.max() < most


def test_the_packaged_encoder_runs_in_bfloat16_too(monkeypatch):
    batch = (pixels(224, 2) * 255).byte()
    exact, half = (
        opened("conse", Running("cpu", each), monkeypatch).encode_images(batch)
        for each in ("float32", "bfloat16")
    )
    assert 1e-7 < (1 - (exact * half).sum(axis=1)).max() < 1e-2


def test_images_and_networks_are_channels_last(spec, monkeypatch):
    encoder = opened(spec, Running("cpu"), monkeypatch)
    assert encoder.running.pixels(pixels(32)).is_contiguous(memory_format=torch.channels_last)
    weights = encoder.model.visual.conv1.weight
    assert weights.is_contiguous(memory_format=torch.channels_last)


@needs_compiler
def test_a_compiled_network_has_the_same_vectors(spec, monkeypatch):
    plain = opened(spec, Running("cpu"), monkeypatch)
    compiled = opened(spec, Running("cpu", compiled=True), monkeypatch)
    found = compiled.encode_images(pixels(32))
    np.testing.assert_allclose(found, plain.encode_images(pixels(32)), atol=1e-5)
    assert (plain.encode_texts(["a dog"]) == compiled.encode_texts(["a dog"])).all()
    assert "OptimizedModule" in type(compiled.model.visual).__name__

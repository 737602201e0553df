"""The captioners there are: found by their settings, imported late, stored where they were."""

import subprocess
import sys
from typing import get_args

import pytest

from embedded import embed
from image_files import run
from sortal.configs.modalities import (
    CaptionerConfig,
    CaptionerSettings,
    GivenConfig,
    NearestConfig,
    OpenAiConfig,
)
from sortal.configs.section import identity_of
from sortal.storage.hashing import fingerprint, hash_file
from sortal.tasks.captioning.captioner import CaptionImagesInputs
from sortal.tasks.captioning.registry import captioner_of
from sortal.tasks.captioning.step import _store_fingerprint, needed

KINDS = get_args(CaptionerConfig.model_fields["kind"].annotation)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_captioner_whose_name_begins_with_it(kind):
    settings = CaptionerConfig(kind=kind).chosen
    assert type(settings) in get_args(CaptionerSettings)
    assert captioner_of(settings).name.partition(":")[0] == kind


@pytest.fixture
def inputs(workspace, source, config):
    scan, images = run(workspace, source), embed(workspace, source, config)
    about = {"images": images, "source": str(source), "scan": scan, "corpus": images}
    return lambda settings: CaptionImagesInputs(config=settings, **about)


def test_stored_captions_are_found_under_what_always_decided_them(inputs, tmp_path):
    file = tmp_path / "captions.csv"
    file.write_text("image,caption\n0.png,a dog\n")
    given, nearest, openai = GivenConfig(source=str(file)), NearestConfig(), OpenAiConfig(model="m")
    all_of = inputs(nearest)
    expected = {
        given: [all_of.scan.identity, hash_file(file)],
        nearest: [all_of.source, all_of.images.facts["store"], all_of.corpus.identity],
    }
    for settings, parts in [*expected.items()]:
        named = fingerprint("captions", [type(settings).__name__, identity_of(settings), *parts])
        assert _store_fingerprint(captioner_of(settings), inputs(settings)) == named
    named = fingerprint("captions", ["OpenAiConfig", identity_of(openai)])
    assert _store_fingerprint(captioner_of(openai), inputs(openai)) == named


def test_a_captioner_gets_the_inputs_that_it_reads_and_no_others(inputs):
    near, files = needed(inputs(NearestConfig())), needed(inputs(OpenAiConfig(model="m")))
    assert near.scan is None and near.corpus is not None
    assert files.scan is not None and files.corpus is None


def test_the_step_loads_no_model_and_no_client():
    code = (
        "import sys, sortal.tasks.captioning.step; "
        "print([m for m in ('torch', 'open_clip', 'httpx') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

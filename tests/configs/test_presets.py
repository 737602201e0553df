"""The presets: an ablation changes one thing, and what a paper states is what its preset has."""

import pytest

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.configs.presets import load_preset, preset_names
from sortal.configs.schema import RunConfig
from sortal.configs.section import identity_of

SEVERAL = {  # what cannot be taken away alone
    "glad-no-gsa": "labels are not learnt, so k-means on what is learnt decides",
    "glad-captions": "a modality that is read must be defined",
    "cae-spectral": "the section of the other way of parting is read then",
}
ABLATIONS = {
    name: base
    for name in preset_names()
    for base in preset_names()
    if name.startswith(f"{base}-")
    and name not in ("tac-free", "cae-literal")
    and not any(other.startswith(f"{base}-") and name.startswith(f"{other}-")
                for other in preset_names())
}  # fmt: skip


def settings(method: str) -> dict[str, object]:
    def flat(values, prefix=""):
        for name, value in values.items():
            key = f"{prefix}{name}"
            yield from flat(value, f"{key}.") if isinstance(value, dict) else [(key, value)]

    own = identity_of(RunConfig(source="x", n_clusters=2, method=method))
    return {key: value for key, value in flat(own) if key != "method"}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_one_setting_of_its_method(name):
    own, base = settings(name), settings(ABLATIONS[name])
    changed = {key for key in own.keys() | base.keys() if own.get(key) != base.get(key)}
    assert len(changed) == 1 or name in SEVERAL, changed


@pytest.mark.parametrize("name", ["tac", "tac-free", "sic", "cae-literal", "cae-literal-softmax"])
def test_literal_presets_have_their_papers_nouns_and_no_guard_of_ours(name):
    config = RunConfig(source="x", n_clusters=2, method=name)
    paper = "sic" if name == "sic" else "tac"
    assert config.nouns.names in (paper, f"{paper}-literal")
    assert config.nouns.templates == paper
    assert config.nouns.lexnames == () and config.nouns.instances and config.nouns.taxa
    assert not (config.selection.centred or config.fusion.centred)
    if config.head.method != "none":  # a batch is made smaller only where it would be the last
        n_images = 2 * config.head.trainer.batch_size
        assert config.head.trainer.fitted(n_images, 10).batch_size * 2 == n_images


def test_the_literal_preset_takes_captions_as_they_are():
    captions = load_preset("cae-literal")["captions"]
    assert captions["min_words"] == 1 and captions["max_words"] > 1000


def test_the_packaged_encoder_has_settings_of_its_own_that_given_ones_replace():
    packaged, other = (
        make_config({"source": "photos", "encoder": {"spec": spec}, "n_clusters": 3}).choose
        for spec in ("conse", "open_clip:ViT-B-32/openai")
    )
    assert (packaged.texts, other.texts) == ("tested", "trusted")
    assert len(packaged.candidates) == 5 and len(other.candidates) == 4
    given = {"source": "photos", "n_clusters": 3, "choose": {"candidates": ["image"]}}
    assert make_config(given).choose.candidates == ("image",)
    assert make_config({"source": "vectors:x", "n_clusters": 3}).choose.texts == "trusted"


def test_a_section_for_the_packaged_encoder_that_is_none_is_refused_in_a_line(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("extends: cae\npackaged: 3\n")
    with pytest.raises(UsageError, match="packaged"):
        make_config({"source": "photos", "n_clusters": 3, "method": str(own)})

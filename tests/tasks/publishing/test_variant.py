"""What an experiment is called: by the settings that are not its method's."""

import pytest

from sortal.configs.load import make_config
from sortal.configs.presets import preset_names
from sortal.configs.section import identity_of
from sortal.tasks.publishing.variant import variant_of

BASE = {"source": "pets", "n_clusters": 4, "method": "cae"}


@pytest.mark.parametrize("method", preset_names())
def test_a_method_as_it_is_has_no_variant(method):
    count = None if method == "density" else 4
    assert variant_of(make_config({**BASE, "method": method, "n_clusters": count})) is None


def test_what_differs_is_its_name_and_where_texts_come_from_does_not():
    one = make_config(BASE, ["transport.epsilon=0.05", "captions.source=none", "n_clusters=9"])
    assert variant_of(one) == "transport.epsilon=0.05"
    usual = make_config(BASE, ["transport.epsilon=0.1"])
    assert variant_of(usual) is None


def test_many_settings_have_a_short_name_that_is_theirs_alone():
    keys = ("transport.epsilon", "transport.balance", "fusion.gamma", "transport.tol")
    one, other = (
        variant_of(make_config(BASE, [f"{key}=0.3{last}" for key in keys])) for last in (1, 2)
    )
    assert one.startswith("fusion.gamma=0.31, transport.balance=0.31, 2 more (") and one != other


def test_what_a_method_chose_itself_is_no_variant():
    chosen = make_config({**BASE, "method": "auto"}, ["fusion.image_weight=3.0", "nouns.fuse=true"])
    assert variant_of(chosen) is None
    assert variant_of(make_config({**BASE, "method": "auto"}, ["choose.folds=4"]))


@pytest.mark.parametrize(
    ("method", "settings", "variant"),
    [
        ("sac", ["captioner.kind=given", "captioner.given.source=/a/b.txt"],
         "captioner.given.source=b.txt, captioner.kind=given"),
        ("vic", ["modalities.description={kind: column, column: title}"],
         "modalities.description.column=title, modalities.description.kind=column"),
        ("zero-shot", ["classes.templates=sic"], "classes.templates=sic"),
        ("zero-shot", ["classes.names=/a/b.txt"], "classes.names=b.txt"),
        ("kmeans", ["naming.min_confidence=0.3"], "naming.min_confidence=0.3"),
    ],
)  # fmt: skip
def test_who_describes_images_and_how_kinds_are_named_are_experiments_too(
    method, settings, variant
):
    count = None if method == "zero-shot" else 4
    assert variant_of(make_config({**BASE, "method": method, "n_clusters": count}, settings)) == (
        variant
    )


def test_where_files_and_vectors_lie_makes_no_experiment():
    places = ["modalities.sound={kind: vectors, source: /a.parquet}"]
    own = ["modalities.sound.kind=vectors"]
    assert variant_of(make_config({**BASE, "method": "glad"}, places)) == own[0]


def test_texts_that_are_tested_where_they_are_trusted_are_a_variant_and_for_conse_are_none():
    vectors = {"source": "vectors:x", "n_clusters": 4, "method": "auto"}
    assert variant_of(make_config(vectors, ["choose.texts=tested"])) == "choose.texts=tested"
    packaged = {**BASE, "method": "auto"}
    assert variant_of(make_config(packaged, ["choose.texts=tested"])) is None
    trusted = variant_of(make_config(packaged, ["choose.texts=trusted"]))
    assert trusted == "choose.lead=0.03, choose.texts=trusted"
    assert "texts" not in identity_of(make_config(packaged))["choose"]

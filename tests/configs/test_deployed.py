"""A deployment's parameters: the run that they say, whatever else the form submits."""

from pathlib import Path

import pytest

from sortal.configs import FORMER_METHOD
from sortal.configs.commands.deployed import run_config
from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.configs.presets import preset_names
from sortal.configs.schema import RunConfig

BASE = {"source": "photos", "n_clusters": 10}
FORM = {
    **BASE, "method": None, "encoder": None, "captions": None, "workspace": "sortal-workspace",
    "collection": None, "seed": 0,
}  # fmt: skip
METHODS = sorted({*preset_names()} - {"density"})  # which takes no number of clusters


@pytest.mark.parametrize("method", METHODS)
def test_a_form_with_only_the_method_changed_is_that_method(method):
    assert run_config({**FORM, "method": method}) == make_config({**BASE, "method": method})
    emptied = {name: "" if value is None else value for name, value in FORM.items()}
    assert run_config({**emptied, "method": method}) == make_config({**BASE, "method": method})


def test_every_parameter_reaches_its_setting():
    config = run_config(
        {
            "source": "s", "n_clusters": 3, "method": "kmeans", "encoder": "vectors:v",
            "captions": "none", "workspace": "/w", "collection": "c", "seed": 7,
        }
    )  # fmt: skip
    assert (config.source, config.n_clusters, config.method) == ("s", 3, "kmeans")
    assert (config.encoder.spec, config.captions.source) == ("vectors:v", "none")
    assert (str(config.workspace), config.collection, config.random_state) == ("/w", "c", 7)


def test_a_home_folder_is_resolved_where_no_shell_does_it():
    config = run_config({**FORM, "source": "~/photos", "workspace": "~/kept"})
    assert config.source == str(Path.home() / "photos")
    assert config.workspace == Path.home() / "kept"


@pytest.mark.parametrize(
    "settings",
    [{"transport.epsilon": 0.3}, {"transport": {"epsilon": 0.3}}, {" transport.epsilon": "0.3"}],
)
def test_settings_lie_over_the_preset(settings):
    config = run_config({**FORM, "method": "tac-free"}, settings)
    assert (config.transport.epsilon, config.fusion.mode) == (0.3, "concat")


def test_a_setting_may_say_the_default_where_the_preset_says_another():
    assert run_config({**FORM, "method": "tac-free"}, {"fusion.mode": "sum"}).fusion.mode == "sum"


def test_what_is_read_of_a_source_is_said_by_settings():
    config = run_config(
        FORM,
        {
            "images.exclude": ["drafts", "*.png"], "images.include": ["*.tif"],
            "images.column": "photo", "images.label_column": "species",
        },
    )  # fmt: skip
    images = config.images
    assert (images.exclude, images.include) == (("drafts", "*.png"), ("*.tif",))
    assert (images.column, images.label_column) == ("photo", "species")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"images.exclude": "drafts"}, "images.exclude"),
        ({"method": "kmeans"}, "give the parameter method"),
        ({"random_state": 3}, "give the parameter seed"),
        ({"encoder": {"spec": "conse"}}, "give the parameter encoder"),
        ({"transport.epsilom": 1}, "did you mean transport.epsilon"),
        ({"transport": 3}, "transport holds settings"),
        ({"": 3}, "unknown setting"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_line(settings, words):
    with pytest.raises(UsageError) as error:
        run_config(FORM, settings)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_the_former_parameter_is_understood_as_it_was_written():
    former = {"source": "old", "n_clusters": 4, "method": "tac-free", "fusion": {"mode": "sum"}}
    assert run_config(FORM, {}, former) == make_config(former)


@pytest.mark.parametrize("method", METHODS)
def test_of_the_former_filled_form_only_what_was_changed_counts(method):
    then = RunConfig(**BASE, method=FORMER_METHOD)
    filled = then.model_dump(mode="json") | {"method": method}
    filled["transport"] = {**filled["transport"], "max_iter": 77}
    want = make_config({**BASE, "method": method}, ["transport.max_iter=77"])
    assert run_config(FORM, {}, filled) == want

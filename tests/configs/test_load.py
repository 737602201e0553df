from pathlib import Path

import pytest

from sortal.configs.commands.benchmark import BenchmarkConfig
from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.configs.presets import describe_preset, main_presets, preset_names
from sortal.configs.section import identity_of

BASE = {"source": "photos", "n_clusters": 10}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_described(name):
    config = make_config({**BASE, "method": name})
    assert config.method_name == name
    assert describe_preset(name).endswith(".")


def test_settings_lie_over_the_preset_and_the_preset_over_the_defaults():
    config = make_config({**BASE, "method": "tac-free"}, ["transport.epsilon=0.5"])
    assert config.transport.epsilon == 0.5
    assert config.fusion.mode == "concat"
    assert config.partition.n_init == make_config(BASE).partition.n_init


def test_a_config_read_back_from_its_own_dump_is_the_same():
    config = make_config({**BASE, "method": "cae-literal"})
    assert make_config(config.model_dump(mode="json")) == config


def test_a_method_file_may_extend_a_preset(tmp_path):
    path = tmp_path / "sharp.yaml"
    path.write_text("extends: tac-free\ntransport: {epsilon: 0.001}\n")
    config = make_config({**BASE, "method": str(path)})
    assert config.method_name == "sharp"
    assert (config.transport.epsilon, config.fusion.mode) == (0.001, "concat")


def test_the_collection_is_named_after_its_source():
    assert make_config({**BASE, "source": "/data/my photos/"}).collection_name == "my photos"
    assert make_config({**BASE, "source": "cifar.tar"}).collection_name == "cifar"


@pytest.mark.parametrize(
    ("values", "settings", "words"),
    [
        ({"n_clusters": 1}, [], ["n_clusters", "2", "got 1"]),
        ({"n_clusters": "many"}, [], ["n_clusters", "integer", "'many'"]),
        ({}, ["transport.epsilon=-1"], ["transport.epsilon", "greater than 0", "-1"]),
        ({}, ["transport.epsilon=.nan"], ["transport.epsilon", "finite"]),
        ({}, ["transport.epsilom=1"], ["transport.epsilom", "did you mean transport.epsilon"]),
        ({}, ["zork=1"], ["zork", "settings begin with"]),
        ({}, ["transport.epsilon"], ["--set takes key=value"]),
        ({"method": "tac-fre"}, [], ["method must be one of", "did you mean tac-free?"]),
        ({"method": "gone.yaml"}, [], ["method file not found", "gone.yaml"]),
        ({}, ["fusion.mode=product"], ["fusion.mode", "'sum' or 'concat'", "'product'"]),
        ({}, ["random_state=-1"], ["random_state", "-1"]),
    ],
)
def test_a_mistake_is_one_line_with_key_value_and_rule(values, settings, words):
    with pytest.raises(UsageError) as error:
        make_config({**BASE, **values}, settings)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_broken_method_file_is_one_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("transport: {epsilon: [\n")
    with pytest.raises(UsageError, match="cannot be read as YAML") as error:
        make_config({**BASE, "method": str(path)})
    assert "\n" not in str(error.value)


def test_the_settings_of_methods_that_are_not_used_do_not_make_a_run_another():
    def identity(method, *settings):
        return identity_of(make_config({**BASE, "method": method}, settings))

    assert identity("tac") == identity("tac", "head.sic.balance=1", "head.mca.instance=0")
    assert identity("tac") != identity("tac", "head.tac.balance=1")
    assert identity("mca") == identity("mca", "head.sic.balance=1")
    assert identity("cae") == identity("cae", "head.trainer.epochs=3", "head.tac.width=8")
    assert identity("tac") != identity("tac", "head.trainer.epochs=3")


def test_a_source_of_vectors_is_its_folder_with_its_vectors_as_encoder():
    same = make_config({**BASE, "source": "vec", "encoder": {"spec": "vectors:vec"}})
    assert make_config({**BASE, "source": "vectors:vec"}) == same
    given = {"spec": "vectors:vec", "batch_size": 8}
    assert make_config({**BASE, "source": "vectors:vec", "encoder": given}).encoder.batch_size == 8
    assert make_config({**BASE, "source": "vectors:~/vec"}).source == str(Path.home() / "vec")
    assert make_config(same.model_dump(mode="json")) == same
    split = make_config({**BASE, "source": "vectors:vec", "train": "vectors:~/train"})
    assert split.train == str(Path.home() / "train")


@pytest.mark.parametrize("other", ["conse", "vectors:elsewhere"])
def test_a_source_of_vectors_beside_another_encoder_is_refused(other):
    with pytest.raises(UsageError, match=f"vectors:vec is read with .* got {other}; leave"):
        make_config({**BASE, "source": "vectors:vec", "encoder": {"spec": other}})


def test_a_benchmark_takes_the_ranked_presets_simple_ones_first():
    main = ("kmeans", "tac-free", "tac", "sic", "cae", "mca", "sac", "glad")
    assert BenchmarkConfig(collections=("demo",)).methods == main_presets() == main

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
    count = None if name == "density" else 4
    config = make_config({**BASE, "method": name, "n_clusters": count})
    assert config.method_name == name
    assert describe_preset(name).endswith(".")


def test_settings_lie_over_the_preset_and_the_preset_over_the_defaults():
    config = make_config({**BASE, "method": "tac-free"}, ["transport.epsilon=0.5"])
    assert config.transport.epsilon == 0.5
    assert config.fusion.mode == "concat"
    assert config.partition.n_init == make_config(BASE).partition.n_init


@pytest.mark.parametrize(
    ("encoder", "settings", "least"),
    [
        ("conse", [], 0.65),
        ("conse", ["naming.min_confidence=0.2", "naming.terms=4"], 0.2),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", [], 0.5),
        ("vectors:somewhere", ["naming.terms=4"], 0.5),
    ],
)
def test_names_of_the_packaged_encoder_must_be_surer(encoder, settings, least):
    config = make_config({**BASE, "encoder": {"spec": encoder}}, settings)
    assert config.naming.min_confidence == config.by_method("kmeans").naming.min_confidence == least
    assert make_config(BASE).naming.min_confidence == 0.65


def test_a_config_read_back_from_its_own_dump_is_the_same():
    config = make_config({**BASE, "method": "cae-literal"})
    assert make_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        ({}, 2, None),
        ({"n_clusters": None}, 2, None),
        ({"n_clusters": " Auto"}, 2, None),
        ({"n_clusters": "10..60"}, 10, 60),
        ({"n_clusters": "10.."}, 10, None),
        ({"n_clusters": "..60"}, 2, 60),
        ({"n_clusters": "7..7"}, 7, 7),
    ],
)
def test_a_number_of_clusters_that_is_to_be_found_is_a_range(given, least, most):
    config = make_config({"source": "photos", **given})
    assert config.count.chosen and config.n_clusters == least
    assert (config.count.least, config.count.most) == (least, most)
    assert make_config(config.model_dump(mode="json")) == config
    assert make_config({"source": "photos", "n_clusters": config.count.words}) == config


def test_a_number_that_is_given_is_taken_from_wherever_it_stands(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: kmeans\nn_clusters: 7\n")
    assert make_config({"source": "photos", "method": str(path)}).n_clusters == 7
    found = make_config({"source": "photos", "n_clusters": "12"})
    assert found.n_clusters == 12 and not found.count.chosen
    assert make_config({"source": "photos"}, ["n_clusters=9"]).n_clusters == 9
    assert make_config({"source": "photos", "n_clusters": 9}, ["n_clusters=auto"]).count.chosen


def test_numbers_are_tried_in_equal_ratios_up_to_what_images_allow():
    count = make_config({"source": "photos"}).count
    assert count.tried(500)[:3] == [2, 3, 4] and count.tried(500)[-1] == 62
    assert count.tried(10**6)[-1] == count.largest
    assert count.tried(5) == [2] and count.middle(5) == 2
    steps = count.tried(5_000)
    assert max(b / a for a, b in zip(steps[10:], steps[11:], strict=False)) < 1.2


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
        ({"n_clusters": 1}, [], ["n_clusters (-k) must be greater than or equal to 2, got 1"]),
        ({"n_clusters": "many"}, [], ["n_clusters (-k) must be a number, auto,", "got 'many'"]),
        ({"n_clusters": "2.5"}, [], ["n_clusters (-k) must be a number", "got '2.5'"]),
        ({"n_clusters": ".."}, [], ["a range such as 10..60", "got '..'"]),
        ({"n_clusters": "10-60"}, [], ["a range such as 10..60", "got '10-60'"]),
        ({"n_clusters": "60..10"}, [], ["not above the second", "got '60..10'"]),
        ({"n_clusters": "1..10"}, [], ["at least 2", "got '1..10'"]),
        ({"n_clusters": "-5"}, [], ["n_clusters (-k) must be greater than or equal to 2, got"]),
        ({}, ["encoder.batch_size=hi"], ["encoder.batch_size must be a valid integer, got 'hi'"]),
        ({}, ["nouns=3"], ["nouns holds settings, such as nouns.", "takes no value, got 3"]),
        ({}, ["gamma=1"], ["did you mean fusion.gamma?"]),
        ({}, ["transport.epsilon=-1"], ["transport.epsilon", "greater than", "-1"]),
        ({}, ["transport.epsilon=.nan"], ["transport.epsilon", "finite"]),
        ({}, ["transport.epsilom=1"], ["transport.epsilom", "did you mean transport.epsilon"]),
        ({}, ["zork=1"], ["unknown setting zork; the nearest are ", "--show-config"]),
        ({}, ["transport.epsilon"], ["--set takes key=value"]),
        ({"method": "gone.yaml"}, [], ["method must be a YAML file that is there", "gone.yaml"]),
        ({}, ["fusion.mode=product"], ["fusion.mode", "'sum' or 'concat'", "'product'"]),
        ({}, ["random_state=-1"], ["random_state", "-1"]),
        ({"encoder": ["conse"]}, [], ["encoder holds settings, such as encoder.spec"]),
        ({}, ["encoder=conse"], ["encoder holds settings, such as encoder.spec", "got 'conse'"]),
        ({"n_clusters": "auto", "count": 5}, [], ["count holds settings", "got 5"]),
        ({"modalities": {"x": 1}}, [], ["modalities.x holds settings and takes no value, got 1"]),
    ],
)
def test_a_mistake_is_one_line_with_key_value_and_rule(values, settings, words):
    with pytest.raises(UsageError) as error:
        make_config({**BASE, **values}, settings)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("typed", "near"),
    [("tac-fre", "tac-free"), ("K_means", "kmeans"), ("CAE", "cae"), ("", ""), ("zürich", "")],
)
def test_an_unknown_method_names_three_and_where_the_list_is(typed, near):
    with pytest.raises(UsageError) as error:
        make_config({**BASE, "method": typed})
    rule, _, names = str(error.value).partition("; the nearest are ")
    assert "`sortal methods`" in rule and repr(typed) in rule
    assert names.startswith(near) and len(set(names.split(", "))) == 3
    assert set(names.split(", ")) <= set(preset_names())


def test_a_broken_method_file_is_one_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("transport: {epsilon: [\n")
    with pytest.raises(UsageError, match="cannot be read as YAML") as error:
        make_config({**BASE, "method": str(path)})
    assert "\n" not in str(error.value)


def test_a_method_file_may_end_in_capitals(tmp_path):
    path = tmp_path / "SHARP.YAML"
    path.write_text("extends: kmeans\n")
    assert make_config({**BASE, "method": str(path)}).method_name == "SHARP"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("extends: one.yaml\n", "must not extend itself"),
        ("extends: two.yaml\n", "must not extend itself"),
        ("extends: [kmeans]\n", "extends must be one method"),
        ("transport: {epsilon: 1}\ntransport: {tol: 1}\n", "transport is there twice"),
        ("transport: {epsilon: 1, epsilon: 2}\n", "epsilon is there twice"),
    ],
)
def test_a_method_file_that_contradicts_itself_is_one_line(tmp_path, monkeypatch, text, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(text)
    (tmp_path / "two.yaml").write_text("extends: one.yaml\n")
    with pytest.raises(UsageError, match=word) as error:
        make_config({**BASE, "method": "one.yaml"})
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


def test_under_a_criterion_a_head_leaves_no_term_out_for_being_like_the_others():
    config = make_config({"source": "x", "n_clusters": 3, "method": "sic", "by": "colour"})
    assert config.head.image == "fused" and config.head.sic.uniqueness == 0.0
    assert not config.head.unread() & {"image", "sic"}


@pytest.mark.parametrize("setting", ["fusion.mode=concat", "fusion.evened=3"])
def test_nouns_join_what_is_as_long_as_they_are(setting):
    with pytest.raises(UsageError, match="affinity=nouns must go with fusion.mode=sum"):
        make_config({"source": "x", "n_clusters": 3, "method": "ntk-sc"}, [setting])


def test_a_benchmark_takes_the_ranked_presets_simple_ones_first():
    main = ("kmeans", "tac-free", "tac", "sic", "cae", "mca", "sac", "glad", "auto")
    assert BenchmarkConfig(collections=("demo",)).methods == main_presets() == main

"""What is given and has no part in a run is told of in a line; what has a part is not."""

import pytest

from sortal.configs.checks.unused import unused
from sortal.configs.load import make_config


def lines(values, *settings):
    return unused(make_config({"source": "photos", **values}, settings))


@pytest.mark.parametrize(
    ("values", "setting", "line"),
    [
        ({"nouns": {"vocabulary_mode": "add"}}, None, "--vocabulary-mode has no effect: there is"),
        ({}, "ray.workers=3", "ray.workers has no effect: the executor is local"),
        ({}, "images.remote.retries=9", "images.remote.retries has no effect: the source is on"),
        ({"n_clusters": 3}, "count.sample=300", "count.sample has no effect: the number of cl"),
        ({"method": "cae"}, "choose.sample=300", "choose.sample has no effect: the method has"),
        ({"method": "cae"}, "head.sic.uniqueness=0.3", "head.sic.uniqueness has no effect: the"),
        ({"method": "tac"}, "head.sic.uniqueness=0.3", "head.sic.uniqueness has no effect: head."),
        ({"method": "cae"}, "fusion.image_weight=2", "fusion.image_weight has no effect: fusion"),
        ({}, "partition.density.dim=9", "partition.density.dim has no effect: partition.method"),
        ({}, "classes.templates=tac", "classes.templates has no effect: classes.names is none"),
        ({"method": "sac"}, "captioner.coca.beams=2", "captioner.coca.beams has no effect: capt"),
        ({}, "captioner.kind=given", "captioner.kind has no effect: nothing reads a caption of"),
        ({}, "modalities.title.kind=column", "modalities.title has no effect: auto does not rea"),
        ({"nouns": {"source": "none"}}, "nouns.max_words=2", "nouns.max_words has no effect: no"),
        ({"lineage": {"full": True}, "train": "t"}, None, "--full has no effect: a run with a tr"),
        ({"source": "vectors:v", "images": {"column": "x"}}, None, "--column has no effect: read"),
        ({"source": "vectors:v", "images": {"verify": True}}, None, "--verify has no effect: read"),
        ({"source": "vectors:v"}, "encoder.batch_size=9", "encoder.batch_size has no effect: re"),
    ],
)
def test_a_setting_without_effect_is_told_of_with_the_reason(values, setting, line):
    (said,) = lines(values, *([setting] if setting else [])).values()
    assert said.startswith(line)


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ({}, ()),
        ({"nouns": {"vocabulary": "f.txt", "vocabulary_mode": "add"}}, ()),
        ({"executor": "ray"}, ("ray.workers=3",)),
        ({"source": "s3://bucket/x"}, ("images.remote.retries=9", "images.remote.anonymous=true")),
        ({}, ("count.sample=300", "choose.sample=300", "head.trainer.batch_size=99")),
        ({"method": "auto"}, ("fusion.image_weight=2", "fusion.gamma=0.3")),
        ({"method": "tac", "n_clusters": 3}, ("head.trainer.batch_size=99",)),
        ({"method": "kmeans", "n_clusters": 3}, ("partition.n_init=2", "partition.fit_rows=99")),
        ({"captions": {"source": "none"}, "nouns": {"source": "none"}, "method": "kmeans"}, ()),
        ({"by": "colour", "lineage": {"full": True}, "images": {"exclude": ["x"]}}, ()),
        ({"source": "vectors:v", "images": {"label_column": "colour"}}, ()),
        ({"method": "vic"}, ("modalities.description={kind: column, column: title}",)),
        ({"method": "glad"}, ("views.title.kind=column", "head.glad.views=[image, title]")),
        ({"method": "sac"}, ("captioner.kind=given", "captioner.given.source=captions.csv")),
        ({}, ("naming.writer=openai:m", "naming.min_written=0.5", "transport.fit_rows=9999")),
    ],
)
def test_a_setting_with_a_part_in_the_run_is_not_told_of(values, settings):
    assert lines(values, *settings) == {}

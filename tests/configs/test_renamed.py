"""Settings that were renamed: former names go on working, and stored results stay valid."""

import pytest
from pydantic import BaseModel

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.configs.presets import RENAMED, load_preset
from sortal.configs.schema import RunConfig
from sortal.configs.section import Renamed, Section, identity_of

BASE = {"source": "photos", "n_clusters": 10}
TITLE = {"title": {"kind": "column", "column": "name"}}


def stored_names(model, prefix=""):
    """(former, present) dotted names of every renamed field of a config."""
    for name, field in model.model_fields.items():
        former = (field.json_schema_extra or {}).get("stored_as")
        if former:
            yield f"{prefix}{former}", f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from stored_names(field.annotation, f"{prefix}{name}.")


def test_every_renamed_field_is_accepted_under_the_name_it_is_stored_by():
    assert dict(stored_names(RunConfig)) == RENAMED


def test_a_former_name_in_values_settings_and_method_files_means_the_present_one(tmp_path):
    new = {"modalities": TITLE, "head": {"glad": {"modalities": ["image", "title"]}}}
    old = {"views": TITLE, "head": {"glad": {"views": ["image", "title"]}}}
    expected = make_config({**BASE, "method": "glad", **new})
    assert make_config({**BASE, "method": "glad", **old}) == expected
    settings = ["views.title={kind: column, column: name}", "head.glad.views=[image, title]"]
    assert make_config({**BASE, "method": "glad"}, settings) == expected
    path = tmp_path / "glad.yaml"
    path.write_text(
        "extends: glad\nviews: {title: {kind: column, column: name}}\n"
        "head: {glad: {views: [image, title]}}\n"
    )
    found = make_config({**BASE, "method": str(path)})
    assert (found.modalities, found.head) == (expected.modalities, expected.head)


def test_a_former_name_lies_over_a_presets_present_one():
    config = make_config({**BASE, "method": "sac"}, ["views.description.kind=column"])
    assert config.modalities["description"].kind == "column"
    assert config.modalities["description"].encoder == "minilm"
    other = make_config({**BASE, "method": "sac"}, ["head.sac.view=title"])
    assert other.head.reads.modalities == ("image", "title")


def test_a_setting_under_both_names_is_refused_in_one_line():
    with pytest.raises(UsageError, match="modalities and its former name views; keep") as error:
        make_config({**BASE, "views": TITLE, "modalities": TITLE})
    assert "\n" not in str(error.value)


def test_the_lake_and_fingerprints_keep_former_names_and_a_stored_run_reads_back():
    config = make_config({**BASE, "method": "glad-captions"})
    stored = identity_of(config)
    assert stored["views"] == {
        "description": {
            "kind": "captions",
            "column": None,
            "source": None,
            "encoder": "minilm",
        }
    }
    assert stored["head"]["glad"]["views"] == ("image", "noun", "description")
    assert "modalities" not in stored and "modalities" not in stored["head"]["glad"]
    assert identity_of(make_config({**BASE, "method": "sac"}))["head"]["sac"]["view"]
    again = make_config(stored)
    assert (again.modalities, again.head) == (config.modalities, config.head)


def test_a_renamed_field_has_its_former_name_in_identities_alone():
    class Example(Section):
        present: int = Renamed(3, "past", ge=1)

    assert identity_of(Example()) == {"past": 3}
    assert Example(present=4).model_dump() == {"present": 4}


def test_presets_say_only_present_names():
    assert "modalities" in load_preset("sac") and "views" not in load_preset("sac")

"""The values that docs/methods.md gives of settings are those of the configuration."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from sortal.configs.commands.assign import AssignConfig
from sortal.configs.presets import preset_names
from sortal.configs.schema import RunConfig

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text("utf-8")
ABLATED = r"-(no-|image|text-to|script|unweighted|frozen|captions|cosine)"  # under each method
SAID = re.findall(r"`([a-z][a-z_.]+)`\s+=\s+(\d[\d.,]*\d|\d)", TEXT)


def flat(section: BaseModel, prefix: str = ""):
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@pytest.fixture(scope="module")
def known():
    """Every value that a setting has by default, in some preset."""
    found = [("min_images", AssignConfig.model_fields["min_images"].default)]
    for method in preset_names():
        number = None if method == "density" else 2
        found += flat(RunConfig(source="vectors:v", n_clusters=number, method=method))
    return {(name, float(value)) for name, value in found if isinstance(value, int | float)}


def test_the_page_speaks_of_settings():
    assert len(SAID) > 30


@pytest.mark.parametrize(("name", "value"), sorted(set(SAID)))
def test_a_value_of_the_page_is_a_default_of_that_setting(name, value, known):
    number = float(value.replace(",", ""))
    own = {setting: each for setting, each in known if f".{setting}".endswith(f".{name}")}
    assert own, f"{name} is no setting"
    assert any(setting in own and each == number for setting, each in known), own


def test_the_table_of_presets_has_every_method():
    listed = set(re.findall(r"`([a-z-]+)`", TEXT.split("## Presets")[1].split("###")[0]))
    assert listed >= {name for name in preset_names() if not re.search(ABLATED, name)}

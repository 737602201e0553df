"""The settings that docs/methods.md shows are settings."""

import re
import shlex
from pathlib import Path

import pytest

from sortal.configs.load import make_config

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
BLOCKS = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if line.startswith("sortal cluster ")]


def test_there_are_commands_to_try():
    assert len(COMMANDS) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_makes_a_configuration(command):
    words = shlex.split(command)
    after = {flag: words[words.index(flag) + 1] for flag in ("-k", "--method") if flag in words}
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    values = {"source": words[2], "n_clusters": after.get("-k"), "method": after["--method"]}
    config = make_config(values, settings)
    assert config.modalities or config.classes.given
    read = {*config.head.reads.modalities, *config.fusion.modalities}
    assert set(config.modalities) <= read

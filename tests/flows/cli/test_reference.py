"""docs/cli.md and README.md say what the commands are."""

import importlib.util
import re
from pathlib import Path

from sortal.flows.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_is_what_the_commands_say():
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = module.PAGE.read_text(encoding="utf-8")
    assert written.rstrip() == module.reference().rstrip(), "run: python docs/make_cli.py"


def test_every_command_has_a_line_in_the_readmes_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `sortal ([a-z]+)", text, re.M)
    assert sorted(lines) == sorted(command.__name__ for command in COMMANDS)

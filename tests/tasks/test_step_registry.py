"""The registry of steps: every step of every package, found without a list to keep."""

from pathlib import Path

from sortal import tasks
from sortal.tasks.registry import all_steps, versions


def test_every_package_with_a_step_is_in_it():
    folder = Path(tasks.__file__).parent
    packages = {path.parent.name for path in folder.glob("*/step.py")}
    assert {step.__module__.split(".")[-2] for step in all_steps()} == packages
    assert len(packages) >= 15


def test_every_step_has_a_version_by_kind_and_name():
    found = versions()
    assert len(found) == len(all_steps())
    assert {
        "scan/scan",
        "transport/solve_transport",
        "view/copy_modality",
        "view/embed_modality",
    } <= {*found}


def test_no_step_is_made_elsewhere():
    """A step outside of a `step.py` would be missing from the registry."""
    folder = Path(tasks.__file__).parents[1]
    makers = {path for path in folder.glob("*/**/*.py") if "\n@step(" in path.read_text("utf-8")}
    assert {path.name for path in makers} == {"step.py"}

"""The packages of tasks stand on one another in one order: no circle, lazy imports included."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import sortal.tasks

ROOT = Path(sortal.tasks.__file__).parent


def imported(file):
    """Modules of `sortal.tasks` that a file imports anywhere in it, as (package, module)."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[2] for name in names if name.startswith("sortal.tasks."))


def test_packages_of_tasks_form_no_circle():
    graph = {folder.name: set() for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    for package in graph:
        for file in (ROOT / package).rglob("*.py"):
            graph[package] |= {name for name in imported(file) if name in graph} - {package}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError on a circle
    assert len(order) == len(graph) > 10
    assert order.index("encoders") < order.index("embedding") < order.index("captioning")

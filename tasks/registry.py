"""Every step there is, in one place: each is found in the `step.py` of a package of `tasks`.

Cache keys of benchmark cells, checks and tests take the steps from here.
"""

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sortal import tasks
from sortal.tasks.step import Step


@cache
def all_steps() -> tuple[Step[Any, Any], ...]:
    """The steps of every package, by package and then in the order they are defined."""
    found: list[Step[Any, Any]] = []
    for package in sorted(pkgutil.iter_modules(tasks.__path__), key=lambda each: each.name):
        name = f"{tasks.__name__}.{package.name}.step"
        if package.ispkg and find_spec(name):
            module = vars(import_module(name))
            own = (each for each in module.values() if isinstance(each, Step))
            found += [each for each in own if each.__module__ == name]
    return tuple(found)


def versions() -> dict[str, int]:
    """The version of every step, by its kind and its name: two steps may make one kind."""
    return {f"{each.kind}/{each.__name__}": each.version for each in all_steps()}  # type: ignore[attr-defined]

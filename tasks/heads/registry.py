"""The methods of training there are: `head.method: tac` is the class `Tac` of `methods/tac.py`.

A new method is such a module, its section in configs/heads.py, and its preset.
"""

from importlib import import_module

from sortal.configs.heads import HeadConfig
from sortal.tasks.heads.method import Method

_METHODS = "sortal.tasks.heads.methods"


def method_class(name: str) -> type[Method]:
    """The class of a method, by its name in the configuration."""
    found: type[Method] = getattr(import_module(f"{_METHODS}.{name}"), name.capitalize())
    return found


def method_of(config: HeadConfig) -> Method:
    """The configured method, untrained."""
    return method_class(config.method)(config)

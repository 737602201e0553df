"""The methods of training: `head.method: tac` is the class `Tac` of the module `tac` here.

A new method is such a module, its section in configs/heads.py, and its preset.
"""

from importlib import import_module

from sortal.configs.heads import HeadConfig
from sortal.tasks.heads.method import Method


def method_class(name: str) -> type[Method]:
    """The class of a method, by its name in the configuration."""
    found: type[Method] = getattr(import_module(f"{__name__}.{name}"), name.capitalize())
    return found


def method_of(config: HeadConfig) -> Method:
    """The configured method, untrained."""
    return method_class(config.method)(config)

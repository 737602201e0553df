"""The captioners there are, by their settings. A module is imported when it is first asked for."""

from importlib import import_module
from typing import Any

from sortal.configs.modalities import (
    CaptionerSettings,
    CocaConfig,
    GivenConfig,
    NearestConfig,
    OpenAiConfig,
)
from sortal.tasks.captioning.captioner import Captioner

_CLASSES: dict[type[CaptionerSettings], tuple[str, str]] = {
    NearestConfig: ("nearest", "NearestCaptioner"),
    CocaConfig: ("coca", "CocaCaptioner"),
    OpenAiConfig: ("openai", "OpenAiCaptioner"),
    GivenConfig: ("given", "GivenCaptioner"),
}  # module of this package, class


def captioner_of(settings: CaptionerSettings) -> Captioner[Any]:
    """The captioner of these settings."""
    module, name = _CLASSES[type(settings)]
    found = getattr(import_module(f"{__package__}.{module}"), name)
    made: Captioner[Any] = found(settings)
    return made

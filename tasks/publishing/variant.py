"""What an experiment is called: how a run's settings differ from its method's preset."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sortal.configs import ENCODER
from sortal.configs.encoder import with_sureness
from sortal.configs.modalities import ModalityConfig
from sortal.configs.presets import criterion_settings, load_preset, merge, settings_with
from sortal.configs.schema import RunConfig
from sortal.configs.section import identity_of
from sortal.storage.hashing import fingerprint

# What a method is made of; which texts it is given is a matter of the collection.
_SECTIONS = (
    "classes", "captioner", "nouns", "captions", "selection", "transport", "fusion", "choose",
    "partition", "head", "naming",
)  # fmt: skip
_GIVEN = {"captions.source", "captions.format", "nouns.source"}
_FILES = {  # said by their names, wherever they lie
    "classes.names": lambda config: Path(config.classes.names),
    "captioner.given.source": lambda config: Path(config.captioner.given.source),
}
_CHOSEN = ("fusion.", "head.", "nouns.fuse", "captions.fuse")  # by a method that chooses
_MOST = 3  # settings that are spelt out


def variant_of(config: RunConfig) -> str | None:
    """The settings that are not the preset's, as `transport.epsilon=0.05`; None where all are."""
    preset = settings_with(load_preset(config.method), packaged=config.encoder.spec == ENCODER)
    if config.by:
        preset = merge(preset, criterion_settings(config.by))
    own, usual = _settings(config), _usual(config, preset)
    found = {key: value for key, value in own.items() if value != usual.get(key)}
    for key in list(found):
        chosen = config.choose.candidates and key.startswith(_CHOSEN)
        if key in _GIVEN or chosen or _is_far(key):
            del found[key]
    found.pop("nouns.vocabulary_content", None)
    said = [f"by={config.by}"] if config.by else []
    if config.nouns.vocabulary:
        said.append(f"nouns.vocabulary={Path(config.nouns.vocabulary).name}")
    for key, path in _FILES.items():
        if key in found:
            found[key] = path(config).name
    said += [f"{key}={_typed(value)}" for key, value in sorted(found.items())]
    if len(said) > _MOST:
        said = [*said[: _MOST - 1], f"{len(said) - _MOST + 1} more ({fingerprint(said)[:6]})"]
    return ", ".join(said) or None


def _is_far(key: str) -> bool:
    """Whether a setting says where a modality's vectors lie."""
    return key.startswith("modalities.") and key.endswith(".source")


def _settings(config: RunConfig) -> dict[str, Any]:
    """The settings of a method by their dotted names."""
    found: dict[str, Any] = {}
    for name in _SECTIONS:
        found |= _flat(identity_of(getattr(config, name)), name)
    found["choose.texts"] = config.choose.texts  # unread where they are tested
    for name, modality in config.modalities.items():
        found |= _flat(identity_of(modality), f"modalities.{name}")
    return found


def _usual(config: RunConfig, preset: Mapping[str, Any]) -> dict[str, Any]:
    """The same where nothing is given but what the preset has."""
    values = with_sureness({**preset, "encoder": {"spec": config.encoder.spec}})
    sections = {name: type(getattr(config, name))(**values.get(name, {})) for name in _SECTIONS}
    known = {name: ModalityConfig(**each) for name, each in values.get("modalities", {}).items()}
    further = {
        f"modalities.{name}.{each}": field.default
        for name in config.modalities
        for each, field in ModalityConfig.model_fields.items()
    }
    return further | _settings(config.model_copy(update={**sections, "modalities": known}))


def _typed(value: Any) -> str:
    """A value as a person types it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_typed, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{prefix}.{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        else:
            yield key, value

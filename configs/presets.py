"""Presets: one small YAML file a method; `extends` names the one it differs from.

A criterion (`by`) is a few settings between those of the preset and those given: the texts are its
own, and they decide.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from sortal.configs.errors import UsageError, expanded, nearest

_FRONT = ("description", "paper", "needs", "switches", "rank")  # what a preset says of itself
_FOLDER = Path(__file__).parent / "presets"
CRITERIA = ("thing", "scene", "action", "colour", "material", "style")
_PACKAGED = "packaged"  # the section of a preset for runs by the packaged encoder
_IMAGE_WEIGHT = 0.5  # [infer] of the image, where the texts of a criterion weigh 1
RENAMED = {
    "views": "modalities",
    "head.glad.views": "head.glad.modalities",
    "head.sac.view": "head.sac.modality",
}  # former -> present path of a setting; the field itself is `section.Renamed`


def preset_names() -> list[str]:
    """Names of the embedded presets, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def main_presets() -> tuple[str, ...]:
    """The presets that are no ablation, simple ones first: those with a `rank`, by it."""
    ranks = {name: _read(_FOLDER / f"{name}.yaml").get("rank") for name in preset_names()}
    ranked = {name: rank for name, rank in ranks.items() if rank is not None}
    return tuple(sorted(ranked, key=lambda name: ranked[name]))


def load_preset(method: str, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The nested settings of a preset name or of a YAML file, with what it extends merged in.

    `extending`: the files that extend it. Raises UsageError for one that cannot be read.
    """
    path = _locate(method).resolve()
    if path in extending:
        raise UsageError(f"method file {path} must not extend itself, through others neither")
    values = _read(path)
    base = values.pop("extends", None)
    if not isinstance(base, str | None):
        raise UsageError(f"method file {path}: extends must be one method, got {base!r}")
    values = {key: value for key, value in values.items() if key not in _FRONT}
    return merge(load_preset(base, (*extending, path)), values) if base else values


def settings_with(preset: Mapping[str, Any], *, packaged: bool) -> dict[str, Any]:
    """A preset's settings, with those of its section for the `packaged` encoder if it is that."""
    own = preset.get(_PACKAGED, {})
    if not isinstance(own, Mapping):
        return dict(preset)  # refused where settings are checked
    values = {key: value for key, value in preset.items() if key != _PACKAGED}
    return merge(values, own) if packaged else values


def describe_preset(name: str) -> str:
    """The one-line description in the preset's file."""
    return str(_read(_FOLDER / f"{name}.yaml").get("description", ""))


def preset_lines() -> Iterator[str]:
    """The methods for people: each with its description, and what its own file says besides."""
    for name in preset_names():
        yield f"{name:22} {describe_preset(name)}"
        values = _read(_FOLDER / f"{name}.yaml")
        for key in ("paper", "needs", "switches"):
            if said := values.get(key):
                yield f"{'':22}   {key}: {', '.join(said) if isinstance(said, list) else said}"


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, section by section."""
    out = dict(base)
    for key, given in over.items():
        value = given.model_dump(exclude_unset=True) if isinstance(given, BaseModel) else given
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merge(out[key], value) if both else value
    return out


def criterion_settings(criterion: str) -> dict[str, Any]:
    """What a criterion sets: its nouns are fused, and outweigh the image; nothing is chosen.

    A head sees what is fused in the place of whole images. All is centred: the terms of a criterion
    are alike, an image's mixture of them would else be the same for all, and none is too general.
    """
    listed = {"names": criterion} if criterion in CRITERIA else {}
    return {
        "nouns": {"fuse": True, "templates": "auto", **listed},
        "captions": {"fuse": False},
        "fusion": {
            "mode": "sum",
            "weights": "equal",
            "image_weight": _IMAGE_WEIGHT,
            "evened": 0,
            "centred": True,
            "modalities": [],
        },
        "selection": {"centred": True},
        "transport": {"centred": True},
        "choose": {"candidates": []},
        "head": {
            "image": "fused",
            "sic": {"uniqueness": 0.0},
            "mca": {"uniqueness": 0.0},
            "glad": {"modalities": ["image", "noun"]},
        },
    }


def with_criterion(preset: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Given settings over those of their criterion, if they name one, over a preset's.

    A vocabulary file for `by` becomes `nouns.vocabulary`, and its name without ending the
    criterion's. Raises UsageError for a criterion that is neither, or that the method cannot have.
    """
    given = _with_file(merge({"by": preset.get("by")}, given))
    by = given["by"]
    if by is None:
        return merge(preset, given)
    settings = merge(merge(preset, criterion_settings(by)), given)
    _check_possible(settings)
    return settings


def _with_file(given: dict[str, Any]) -> dict[str, Any]:
    """`given` with the criterion as a name, and the file that it was, if any, as vocabulary."""
    by, nouns = given["by"], merge({"nouns": {}}, given)["nouns"]
    if by is None or by in CRITERIA or not isinstance(by, str) or not isinstance(nouns, Mapping):
        return given
    known = any(nouns.get(key) for key in ("vocabulary", "vocabulary_content"))
    if known and by.isprintable() and not set(by) & {"/", "."}:
        return given
    path = expanded(by)
    if known or not path.is_file() or not path.stem.isprintable():
        close = nearest(by, CRITERIA, CRITERIA)[0]
        way = "give its name alone beside a vocabulary" if known else f"the nearest is {close}"
        raise UsageError(
            f"by (--by) must be one of {', '.join(CRITERIA)}, or a vocabulary file that is there, "
            f"got {by!r}; {way}"
        )
    return merge(given, {"by": path.stem.replace(".", "-"), "nouns": {"vocabulary": by}})


def _check_possible(settings: Mapping[str, Any]) -> None:
    head, nouns = settings.get("head", {}), settings.get("nouns", {})
    method = head.get("method", "none") if isinstance(head, Mapping) else "none"
    if method == "sac":
        raise UsageError(
            "by must be given with a method that reads no caption of each image, got the head sac, "
            "whose captions tell all that an image shows; use --method auto, sic or tac"
        )
    if isinstance(nouns, Mapping) and nouns.get("source") == "none":
        raise UsageError("by sorts by texts, so nouns.source must not be none; leave it out")


def _locate(method: str) -> Path:
    if method.lower().endswith((".yaml", ".yml")):
        path = expanded(method)
        if not path.is_file():
            raise UsageError(
                f"method must be a YAML file that is there, or a name of `sortal methods`, got "
                f"{method!r}, where no file is"
            )
        return path
    if method not in preset_names():
        raise UsageError(
            f"method must be a name that `sortal methods` lists, or a .yaml file, got {method!r}; "
            f"the nearest are {', '.join(nearest(method, preset_names(), main_presets()))}"
        )
    return _FOLDER / f"{method}.yaml"


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would take the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        double = next((key for key in keys if keys.count(key) > 1), None)
        if double is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{double} is there twice")
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"method file {path} cannot be read as YAML: {reason}") from error
    if not isinstance(values, dict):
        raise UsageError(f"method file {path} must hold a mapping of settings, such as 'fusion:'")
    return with_present_names(values)


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of a run with the former names of `RENAMED` replaced.

    Raises UsageError where a setting is given under both names.
    """
    out = dict(values)
    for former, present in RENAMED.items():
        *sections, old = former.split(".")
        out = _renamed(out, sections, old, present)
    return out


def _renamed(values: dict[str, Any], sections: list[str], old: str, present: str) -> dict[str, Any]:
    """`values` with the key `old` of the section at `sections` renamed; others are not touched."""
    if sections:
        inner = values.get(sections[0])
        if not isinstance(inner, Mapping):
            return values
        return {**values, sections[0]: _renamed(dict(inner), sections[1:], old, present)}
    if old not in values:
        return values
    new = present.rpartition(".")[2]
    if new in values:
        raise UsageError(
            f"a setting must be given once, got {present} and its former name {old}; keep {present}"
        )
    return {new if name == old else name: value for name, value in values.items()}

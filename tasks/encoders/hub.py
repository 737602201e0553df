"""Whether the weights of `open_clip:…` are here or within reach, told before torch is used.

open_clip's table of checkpoints is read without open_clip, whose import takes many seconds.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError, expanded
from sortal.storage.deadline import within

HUB, LOCAL = "hf-hub:", "local-dir:"
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TABLES = "_sortal_open_clip"  # a package of open_clip's modules without what its import imports
_SECONDS = 3.0


def check_within_reach(spec: str) -> None:
    """Refuse weights that must be downloaded and cannot be; raises UsageError. Any spec may come.

    What else may be wrong with a spec is left to the encoder.
    """
    kind, name, _ = EncoderSpec.parse(spec)
    if kind != "open_clip" or name.startswith(LOCAL):
        return
    if name.startswith(HUB):
        _check_hub(name)
        return
    model, _, tag = name.partition("/")
    if known := _known(model, tag):
        _check_tag(model, tag, known)


def _check_hub(name: str) -> None:
    try:
        require_network(name.removeprefix(HUB), HUB_FILES)
    except OSError as error:
        raise no_folder(name, error) from error


def _check_tag(model: str, tag: str, known: dict[str, Any]) -> None:
    repository, names = files_of(known)
    try:
        if repository:
            require_network(repository, names)
    except OSError as error:
        raise no_weights(model, tag, known, error) from error


def files_of(known: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The hub's repository of a known checkpoint, empty for none, and its possible files."""
    repository, _, name = known.get("hf_hub", "").rpartition("/")
    return repository, (name,) if name else HUB_FILES


def is_cached(repository: str, names: tuple[str, ...]) -> bool:
    """Whether one of these files is in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)


def require_network(repository: str, names: tuple[str, ...]) -> None:
    """Raise OSError in a moment where files are neither cached nor within reach.

    The hub's client tries for a minute.
    """
    import httpx
    from huggingface_hub import constants

    if is_cached(repository, names):
        return
    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    try:
        within(_SECONDS, lambda: httpx.head(constants.ENDPOINT, timeout=_SECONDS))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise OSError(f"{constants.ENDPOINT} does not answer: {error}") from error


def no_weights(model: str, tag: str, known: dict[str, Any], error: BaseException) -> UsageError:
    """The refusal of a known checkpoint that could not be downloaded."""
    return UsageError(
        f"weights of {model}/{tag} must be downloaded once, which failed ({first_line(error)});"
        f" run online, or fetch {known.get('hf_hub') or known.get('url')} and use"
        f" open_clip:{model}//path/to/the/file"
    )


def no_folder(name: str, error: BaseException) -> UsageError:
    """The refusal of a hub's folder that could not be downloaded."""
    return UsageError(
        f"{name} must be downloaded once, which failed ({first_line(error)}); run online, or"
        f" copy its folder here and use open_clip:{LOCAL}/path/to/it"
    )


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _known(model: str, tag: str) -> dict[str, Any]:
    """What open_clip knows of a checkpoint; nothing where its table cannot be read so."""
    if not tag or expanded(tag).is_file():
        return {}
    try:
        return dict(_table().get_pretrained_cfg(model, tag))
    except (ImportError, AttributeError):  # another version's layout: the encoder will say it
        return {}


def _table() -> Any:
    if "open_clip" in sys.modules:
        return importlib.import_module("open_clip")
    if _TABLES not in sys.modules:
        found = importlib.util.find_spec("open_clip")
        package = ModuleType(_TABLES)
        package.__path__ = list(found.submodule_search_locations or []) if found else []
        sys.modules[_TABLES] = package
    return importlib.import_module(f"{_TABLES}.pretrained")

"""`open_clip:MODEL/PRETRAINED`: any model and checkpoint that open_clip knows.

PRETRAINED is a tag or a weights file; MODEL may be `hf-hub:…` or `local-dir:…` without one.
Preprocessing is always the model's own, and weights are never unpickled as code.
"""

import dataclasses
import difflib
import json
import logging
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import torch
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from sortal.configs.encoder import EncoderConfig, EncoderSpec
from sortal.configs.errors import UsageError, expanded
from sortal.storage.hashing import fingerprint
from sortal.storage.rows import FloatArray
from sortal.tasks.devices.running import Running
from sortal.tasks.encoders.base import TAC_TEMPLATES, EncoderInfo, device_of, unit
from sortal.tasks.encoders.clip_texts import TextTower
from sortal.tasks.encoders.files import content_hash, folder_hash
from sortal.tasks.encoders.hub import (
    HUB,
    HUB_FILES,
    LOCAL,
    files_of,
    first_line,
    is_cached,
    no_folder,
    no_weights,
    require_network,
)
from sortal.tasks.encoders.text_batches import Advance, silent

log = logging.getLogger("sortal")

_CONFIG_FILE = "open_clip_config.json"


class Checkpoint(NamedTuple):
    """A resolved spec: the weights file, the model's and the preprocessing's configuration."""

    model: str
    pretrained: str | None
    weights: Path
    config: dict[str, Any]
    preprocess: dict[str, Any]


def describe(spec: str) -> EncoderInfo:
    """Resolve a spec, downloading its weights if need be; raises UsageError."""
    found = resolve(spec)
    return EncoderInfo(spec, _fingerprint(found), found.config["embed_dim"], TAC_TEMPLATES, "CLIP")


def _fingerprint(found: Checkpoint) -> str:
    """Hash of weights, model configuration (with tokenizer), preprocessing and local tokenizer."""
    local = found.model.removeprefix(LOCAL) if found.model.startswith(LOCAL) else None
    files = (
        [entry for entry in folder_hash(Path(local)) if _is_vocabulary(entry[0])] if local else []
    )
    tokenizer = "siglip" in found.model.lower()  # open_clip chooses by this when nothing else says
    parts = [found.config, found.preprocess, files, tokenizer]
    return fingerprint("open_clip", content_hash(found.weights), parts)


def _is_vocabulary(name: str) -> bool:
    return name != _CONFIG_FILE and name.endswith((".json", ".txt", ".model"))


def resolve(spec: str) -> Checkpoint:
    """Find weights and configurations of `open_clip:…`; raises UsageError with the way out."""
    name = EncoderSpec.parse(spec).model
    if name.startswith(LOCAL):
        return _from_folder(name)
    if name.startswith(HUB):
        return _from_hub(name)
    model, _, pretrained = name.partition("/")
    config = open_clip.get_model_config(model)
    if config is None:
        hint = _did_you_mean(model, open_clip.list_models()) or "see open_clip.list_models()"
        raise UsageError(f"open_clip must know the model, got {model!r}; {hint}")
    return _from_file_or_tag(model, pretrained, config)


def _from_file_or_tag(model: str, pretrained: str, config: dict[str, Any]) -> Checkpoint:
    base = dataclasses.asdict(PreprocessCfg())
    base["size"] = config["vision_cfg"].get("image_size", 224)
    known = open_clip.get_pretrained_cfg(model, pretrained) if pretrained else {}
    if known:
        weights = _download(model, pretrained, known)
        return Checkpoint(model, pretrained, weights, config, merge_preprocess_dict(base, known))
    path = expanded(pretrained)
    if pretrained and path.is_file():
        return Checkpoint(model, str(path), path, config, base)
    tags = open_clip.list_pretrained_tags_by_model(model)
    near = _did_you_mean(pretrained, tags)
    hint = f"{near} Its tags: " if near else "its tags: "
    raise UsageError(
        f"open_clip:{model}/PRETRAINED must name a tag or a weights file, got {pretrained!r};"
        f" {hint}{', '.join(tags) or 'none'}"
    )


def _did_you_mean(name: str, known: list[str]) -> str:
    by_letters = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_letters, 3)
    return f"did you mean {' or '.join(by_letters[each] for each in close)}?" if close else ""


def _download(model: str, tag: str, known: dict[str, Any]) -> Path:
    try:
        repository, names = files_of(known)
        if repository:
            require_network(repository, names)
        return Path(open_clip.download_pretrained(known))
    except Exception as error:  # the hub's clients share no base class for "no network"
        raise no_weights(model, tag, known, error) from error


def _from_folder(name: str) -> Checkpoint:
    folder = expanded(name.removeprefix(LOCAL))
    try:
        stated = json.loads((folder / _CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"local-dir must hold a readable {_CONFIG_FILE}, got {folder} ({first_line(error)});"
            " copy the whole model folder"
        ) from error
    found = open_clip.factory._find_checkpoint_in_dir(folder)
    if not found:
        raise UsageError(f"local-dir must hold weights (.safetensors, .bin, .pth), got {folder}")
    return _stated(f"{LOCAL}{folder}", Path(found), stated)


def _from_hub(name: str) -> Checkpoint:
    model_id = name.removeprefix(HUB)
    try:
        require_network(model_id, HUB_FILES)
        stated = open_clip.factory._get_hf_config(model_id)
        weights = Path(open_clip.download_pretrained_from_hf(model_id))
    except Exception as error:  # see _download
        raise no_folder(name, error) from error
    return _stated(name, weights, stated)


def _stated(model: str, weights: Path, stated: dict[str, Any]) -> Checkpoint:
    if "embed_dim" not in stated.get("model_cfg", {}):
        raise UsageError(
            f"{_CONFIG_FILE} of {model} must have model_cfg with embed_dim; it has none"
        )
    base = dataclasses.asdict(PreprocessCfg())
    preprocess = merge_preprocess_dict(base, stated.get("preprocess_cfg", {}))
    return Checkpoint(model, None, weights, stated["model_cfg"], preprocess)


class OpenClipEncoder:
    """A CLIP model on a device, `running` there; `model` and `tokenizer` are open_clip's."""

    def __init__(self, config: EncoderConfig) -> None:
        found = resolve(config.spec)
        self.fingerprint = _fingerprint(found)
        self.dim = int(found.config["embed_dim"])
        self.device = device_of(config.device)
        self.running = Running.on(self.device, config)
        self.cpu_batch = 8  # [infer] docs/performance.md#embedding-on-a-cpu
        self._batch_size = config.batch_size
        self.model, self.transform = _load(found, self.device)
        self.model.visual = self.running.ready(self.model.visual)
        self.tokenizer = open_clip.get_tokenizer(found.model)
        if found.pretrained == str(found.weights):
            cfg = self.model.visual.preprocess_cfg
            log.info("%s: a bare weights file states no preprocessing; using the model's own"
                     " (size %s, mean %s, std %s)", found.weights.name, cfg["size"], cfg["mean"],
                     cfg["std"])  # fmt: skip

    @torch.inference_mode()
    def encode_images(self, batch: torch.Tensor) -> FloatArray:
        """Tensor of shape (b, 3, h, w) -> unit vectors of shape (b, dim)."""
        with self.running.autocast():
            vectors = self.model.encode_image(self.running.pixels(batch))
        return unit(vectors.float().cpu().numpy())

    def encode_texts(self, texts: list[str], advance: Advance = silent) -> FloatArray:
        """Raw vectors of shape (b, dim); texts beyond the context are cut by the tokenizer."""
        return self._texts.encode(texts, advance)

    @cached_property
    def _texts(self) -> TextTower:
        return TextTower(self.model, self.tokenizer, self.running, self._batch_size)


def _load(found: Checkpoint, device: str) -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="QuickGELU mismatch")
            model, _, transform = open_clip.create_model_and_transforms(
                found.model, pretrained=found.pretrained, device=device, weights_only=True
            )
    except Exception as error:  # pickle, safetensors and shape errors share no base class
        raise UsageError(
            f"weights must be plain tensors that fit {found.model}, got {found.weights.name}"
            f" ({first_line(error)}); name the right model, or convert to safetensors"
        ) from error
    return model.eval(), transform


def downloaded() -> list[str]:
    """Specs of the tagged checkpoints that are in the hub's cache."""
    found = []
    for model, tag in open_clip.list_pretrained():
        repository, names = files_of(open_clip.get_pretrained_cfg(model, tag))
        if repository and is_cached(repository, names):
            found.append(f"open_clip:{model}/{tag}")
    return found

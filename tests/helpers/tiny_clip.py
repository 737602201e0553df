"""A CLIP of random weights, small enough to make in a test."""

import json
from pathlib import Path
from typing import Any

import torch

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


ADDS = {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
TEXT = {**TINY["text_cfg"], "embed_cls": True, "output_tokens": True}
COCA = {
    "embed_dim": 32,  # the width of the text side, as in CoCa
    "vision_cfg": {**TINY["vision_cfg"], **ADDS},
    "text_cfg": TEXT,
    "multimodal_cfg": {**TINY["text_cfg"], "attn_pooler_heads": 2},
    "custom_text": True,
}


def tiny(folder: Path, seed: int = 0, preprocess: dict[str, Any] | None = None) -> str:
    """Write a model folder as `local-dir:` wants it; returns its spec."""
    import open_clip  # takes seconds, and every process of a test run reads this file

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.save(open_clip.CLIP(**TINY).state_dict(), folder / "model.pth")
    stated = {"model_cfg": TINY, "preprocess_cfg": preprocess or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    return f"open_clip:local-dir:{folder}"


def tiny_coca(folder: Path) -> str:
    """Write a model folder of a CoCa of random weights, which writes nonsense; its checkpoint."""
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = open_clip.CoCa(**{name: COCA[name] for name in COCA if name != "custom_text"})
    torch.nn.init.normal_(model.text_decoder.text_projection)  # zeros would say nothing
    torch.save(model.state_dict(), folder / "model.pth")
    stated = {"model_cfg": COCA, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    return f"local-dir:{folder}"

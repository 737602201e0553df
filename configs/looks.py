"""What is made of a collection's pictures so that people can look: `sortal look`, browse, find."""

from typing import Literal

from pydantic import Field

from sortal.configs.section import Runtime, Section

Look = Literal["thumbnails", "quality_flags", "duplicates", "search_index", "map"]
LOOKS: tuple[Look, ...] = ("thumbnails", "quality_flags", "duplicates", "search_index", "map")


class ThumbnailConfig(Section):
    """Small pictures, kept by content in `thumbnails/`."""

    size: int = Field(256, ge=16, le=1024)  # pixels of the longer side
    quality: int = Field(70, ge=1, le=100)  # of WebP
    max_bytes: int = Runtime(4_000_000_000, ge=1_000_000)  # on disk; the oldest go first


class QualityConfig(Section):
    """Which pictures are flagged: by what is seen at 256 pixels, but for `tiny`."""

    blank: float = Field(0.02, ge=0, le=1)  # contrast (deviation of the brightness) below which
    dark: float = Field(0.2, ge=0, le=1)  # brightness that 9 of 10 pixels do not reach
    blurred: float = Field(0.012, ge=0, le=1)  # sharpness below which; blank, dark ones are not
    tiny: int = Field(64, ge=0)  # pixels of the shorter side below which


class DuplicatesConfig(Section):
    """When two pictures are near duplicates: neighbours by vector, and the same to the eye."""

    neighbours: int = Field(10, ge=1, le=200)  # of each picture that are compared
    cosine: float = Field(0.5, ge=-1, le=1)  # of their vectors, at least [infer]
    agreement: float = Field(0.75, ge=0, le=1)  # of their 32 x 32 grey pixels, at least [infer]


class SearchConfig(Section):
    """The index that words and pictures are sought in."""

    exact_below: int = Field(200_000, ge=0)  # images: an exact search; from there on by cells
    cells: int = Field(2048, ge=1, le=65536)  # of an index that is not exact
    probed: int = Field(64, ge=1)  # cells looked into


class MapConfig(Section):
    """The two-dimensional layout."""

    landmarks: int = Field(3000, ge=10, le=50_000)  # images laid out by t-SNE, the rest near them
    perplexity: float = Field(30.0, gt=1)
    neighbours: int = Field(8, ge=1, le=100)  # landmarks that an image is placed between


class LooksConfig(Section):
    """What a run makes for looking, beyond what it needs itself: nothing, unless asked.

    Browse, find and look make what they need when they first need it.
    """

    make: tuple[Look, ...] = Runtime(())  # by the run itself, once it is published
    thumbnails: ThumbnailConfig = ThumbnailConfig()
    quality: QualityConfig = QualityConfig()
    duplicates: DuplicatesConfig = DuplicatesConfig()
    search: SearchConfig = SearchConfig()
    map: MapConfig = MapConfig()

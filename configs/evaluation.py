"""Settings of what is measured: to judge a finished run, and to choose before it is made.

What is chosen by reads no label: docs/methods.md#auto says what it was tried on.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from sortal.configs import AUTO
from sortal.configs.errors import UsageError
from sortal.configs.section import Runtime, Section

_NUMBER = re.compile(r"[+-]?\d+")
_RANGE = re.compile(r"(\d*)\.\.(\d*)")

CandidateName = Literal[
    "image",
    "image-and-nouns",
    "image-and-nouns-evened",
    "image-and-nouns-equal",
    "image-and-nouns-uncentred",
    "adaptive",
]


class EvaluationConfig(Section):
    """How much is looked at. All values are ours [infer]: they bound a figure's cost."""

    recall_classes: int = Field(1000, ge=0)  # up to so many classes get a row of recall each
    resamples: int = Runtime(200, ge=0)  # of the images, for `significance`; 0 = none
    silhouette_sample: int = Field(2000, ge=0)  # images drawn for the silhouettes; 0 = none
    stability_sample: int = Field(20_000, ge=0)  # images drawn to refit k-means; 0 = none
    stability_n_init: int = Field(3, ge=1)  # restarts of each refit


class ChooseConfig(Section):
    """What is tried before images are clustered, and what makes one better; all is [infer]."""

    candidates: tuple[CandidateName, ...] = ()  # none: the settings are as they are given
    min_fits: int = Field(4, ge=2, le=100)  # fits of k-means that are compared, at the least ...
    max_fits: int = Field(16, ge=2, le=100)  # ... and at the most, for few images ...
    fitted_rows: int = Field(24_000, ge=1)  # ... in between, so many images over all fits
    n_init: int = Field(2, ge=1)  # seedings of each of them
    folds: int = Field(3, ge=2, le=100)  # parts of the images, each foretold from the others
    ridge: float = Field(1.0, gt=0.0)  # penalty of the linear classifier that foretells
    sample: int = Field(10_000, ge=100)  # images that all of this is measured on, at the most
    texts: Literal["trusted", "tested"] = "tested"  # tested: used where images are better foretold
    lead: float = Field(0.03, ge=0.0)  # share by which other ways must beat nouns that are trusted
    certainty: float = Field(3.0, ge=0.0)  # standard errors by which tested texts must help
    margin: float = Field(0.05, ge=0.0)  # share by which another must be better than yesterday's
    steps: int = Field(3_000, ge=1)  # of the head that the image alone is given, about
    directions: int = Field(3, ge=1)  # kept for each cluster where directions are evened

    def unread(self) -> set[str]:
        """That texts are tested, as all were at first, and what that rule does not read."""
        return {"texts", "lead"} if self.texts == "tested" else set()

    def fits(self, n_images: int) -> int:
        """How many fits: the fewer images, the more chance has to say in each."""
        return _fits(self, n_images)


class CountConfig(Section):
    """How the number of clusters is found where none is given; all is [infer].

    `RunConfig.n_clusters` is `least` until it is known.
    """

    chosen: bool = False  # found without labels: -k auto, -k 10..60
    least: int = Field(2, ge=2)
    most: int | None = Field(None, ge=2)  # None: by the number of images, as follows
    images_per_cluster: int = Field(8, ge=1)  # on the average, at the least
    largest: int = Field(200, ge=2)  # tried, however many images there are
    ratio: float = Field(1.1, gt=1.0, le=2.0)  # of a number tried to the one before
    sample: int = Field(5_000, ge=100)  # images that all of this is measured on, at the most
    min_fits: int = Field(6, ge=2, le=100)  # fits of k-means on halves of them, at the least ...
    max_fits: int = Field(12, ge=2, le=100)  # ... and at the most, for few images ...
    fitted_rows: int = Field(24_000, ge=1)  # ... in between, so many images over all fits
    n_init: int = Field(3, ge=1)  # seedings of each of them
    enough: float = Field(0.6, ge=0.0, le=1.0)  # of the best worth: below it nothing finer is tried
    folds: int = Field(3, ge=2, le=100)  # parts of the images, each foretold from the others
    ridge: float = Field(1.0, gt=0.0)  # penalty of the linear classifier that foretells
    near: float = Field(0.03, ge=0.0, lt=1.0)  # of the best worth: neighbours decide between such
    clear: float = Field(0.08, ge=0.0, lt=1.0)  # share by which a natural number's score stands out
    margin: float = Field(0.05, ge=0.0)  # share by which another must be better than yesterday's
    noise: float = Field(
        8.0, ge=0.0
    )  # more of it, over the square root of the images looked at ...
    renewed: float = Field(0.25, gt=0.0, le=1.0)  # ... and none of that from this share of new ones

    def margin_of(self, n_images: int, new: float) -> float:
        """The share by which another number must be better, for so many images, a part of them new.

        Few images say little, and a few more of them are no reason for another number.
        """
        noise = self.noise / math.sqrt(max(n_images, 1))
        return self.margin + noise * max(0.0, 1.0 - new / self.renewed)

    @property
    def words(self) -> str:
        """What a person gives as the number: auto, 10..60, 10.. or ..60."""
        least = "" if self.least == 2 else self.least
        most = self.most or ""
        return f"{least}..{most}" if least or most else AUTO

    def bounds(self, n_images: int) -> tuple[int, int]:
        """The least and the largest number that is tried for so many distinct images."""
        by_size = min(n_images // self.images_per_cluster, self.largest)
        most = max(self.most or by_size, self.least)
        return self.least, min(most, max(n_images, self.least))

    def tried(self, n_images: int) -> list[int]:
        """The numbers that are tried, ascending, nearly in equal ratios."""
        least, most = self.bounds(n_images)
        found = [least]
        while found[-1] < most:
            found.append(min(max(found[-1] + 1, round(found[-1] * self.ratio)), most))
        return found

    def fits(self, n_images: int) -> int:
        """How many fits for each number, as of `ChooseConfig`."""
        return _fits(self, n_images)

    def middle(self, n_images: int) -> int:
        """What stands for the number until it is known: half-way between the bounds, by ratio."""
        least, most = self.bounds(n_images)
        return round(math.sqrt(least * most))


def _fits(config: ChooseConfig | CountConfig, n_images: int) -> int:
    wanted = config.fitted_rows // max(n_images, 1)
    return max(config.min_fits, min(wanted, config.max_fits))


def with_count(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` of a run, `n_clusters` that is to be found (none, auto, 10..60) as `count`.

    Raises UsageError for a text that is neither a number nor one of these.
    """
    given = values.get("n_clusters")
    if given is not None and not isinstance(given, str):
        return dict(values)
    text = (AUTO if given is None else given).strip().lower()
    if _NUMBER.fullmatch(text):
        return {**values, "n_clusters": int(text)}
    count = values.get("count") or {}
    if not isinstance(count, Mapping | Section):
        return {**values, "n_clusters": 2}  # refused where its type is checked
    count = count.model_dump(exclude_unset=True) if isinstance(count, Section) else dict(count)
    count |= {"chosen": True, **_bounds(text, given)}
    return {**values, "n_clusters": count.get("least", 2), "count": count}


def _bounds(text: str, given: Any) -> dict[str, int]:
    """What a range such as 10..60, 10.. or ..60 says; nothing of `auto`."""
    rule = "n_clusters (-k) must be a number, auto, or a range such as 10..60"
    found = _RANGE.fullmatch(text)
    if text != AUTO and (not found or text == ".."):
        raise UsageError(f"{rule}, got {given!r}")
    ends = zip(("least", "most"), found.groups() if found else (), strict=False)
    bounds = {name: int(end) for name, end in ends if end}
    least, most = bounds.get("least", 2), bounds.get("most")
    if least < 2 or (most is not None and most < least):
        raise UsageError(
            f"{rule} whose first number is at least 2 and not above the second, got {given!r}"
        )
    return bounds

"""The lists of the clean-up pages: what is on each, by which rule, and what it needs."""

from dataclasses import dataclass, field
from typing import Any, Literal

from sortal.configs.looks import Look, LooksConfig
from sortal.storage.lake.sql import literal, sql
from sortal.tasks.report.gather import PURE

Shape = Literal["files", "groups", "kinds", "images", "failures", "suspects", "matrix"]
SHARE, MOST = 0.02, 24  # of a kind that are listed as odd


@dataclass(frozen=True)
class Flaw:
    """A list: `query` is its statement in `storage/sql/browse/clean/`, given `values` besides.

    `aside` is the statement of the condition by which an export takes what it lists.
    """

    what: str
    title: str
    rule: str
    shape: Shape
    query: str
    aside: str | None = None
    look: Look | None = None
    labels: bool = False
    values: dict[str, Any] = field(default_factory=dict)

    def condition(self, run_id: str) -> str | None:
        """What `sortal export --where` takes to list the same images of a run."""
        if self.aside is None:
            return None
        text = " ".join(sql(f"browse/aside/{self.aside}").split())
        for name, value in {"run": run_id, **self.values}.items():
            shown = literal(value) if isinstance(value, str) else str(value)
            text = text.replace(f"${name}", shown)
        return text


def flaws(config: LooksConfig) -> dict[str, Flaw]:
    """The lists by name, in the order of the overview."""
    return {flaw.what: flaw for flaw in (*_copies(config), _odd(), *_flags(config), *_others())}


def _copies(config: LooksConfig) -> tuple[Flaw, ...]:
    near = config.duplicates
    return (
        Flaw(
            "exact", "Exact duplicates",
            "Files whose bytes are the same; the first path of each content is the one to keep.",
            "files", "exact", "exact",
        ),
        Flaw(
            "near", "Near duplicates",
            f"Pictures that are among each other's {near.neighbours} nearest to the eye, whose "
            f"grey pixels (32 x 32, also mirrored and cropped) agree by {near.agreement:g} or "
            f"more and whose vectors have a cosine of {near.cosine:g} or more; the picture of "
            "the most pixels, then bytes, is the one to keep.",
            "groups", "near", "near", look="duplicates",
        ),
    )  # fmt: skip


def _odd() -> Flaw:
    return Flaw(
        "odd", "Odd ones of a kind",
        f"Of each kind the {100 * SHARE:g}\u202f% of its images, {MOST} at the most, that are "
        "farthest from its centre by cosine distance.",
        "kinds", "odd", "odd", values={"share": SHARE, "most": MOST},
    )  # fmt: skip


def _flags(config: LooksConfig) -> tuple[Flaw, ...]:
    quality = config.quality
    rules = {
        "blank": "Pictures without content: the standard deviation of their brightness is below "
        f"{quality.blank:g} (0 to 1, seen at 256 pixels).",
        "dark": f"Pictures of which 9 in 10 pixels are darker than {quality.dark:g} (0 to 1) and "
        "which are not blank.",
        "blurred": "Pictures without sharp edges: the standard deviation of their Laplacian is "
        f"below {quality.blurred:g}, seen at 256 pixels; blank and dark ones are left out.",
        "tiny": f"Pictures whose shorter side is below {quality.tiny} pixels.",
    }
    return tuple(
        Flaw(
            flag, f"{flag.capitalize()} pictures", rule, "images", "flagged", "flagged",
            look="quality_flags", values={"flag": flag},
        )
        for flag, rule in rules.items()
    )  # fmt: skip


def _others() -> tuple[Flaw, ...]:
    return (
        Flaw(
            "unreadable", "Unreadable files",
            "Files of the collection that could not be read, or whose bytes are no picture, each "
            "with its reason; they are in no kind.",
            "failures", "unreadable",
        ),
        Flaw(
            "labels", "Likely wrong labels",
            "Images whose label is not their kind's most frequent one, where that one has "
            f"{100 * PURE:g}\u202f% or more of the kind's labelled images and the image is no "
            "farther from the kind's centre than its images are on average; the nearest first.",
            "suspects", "labels", "labels", labels=True, values={"purity": PURE},
        ),
        Flaw(
            "confusion", "Kinds and labels",
            "How many images of each kind have each label; the darker, the larger the share of "
            "the kind.",
            "matrix", "confusion", labels=True,
        ),
    )  # fmt: skip

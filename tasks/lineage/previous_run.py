"""Series: the runs of one collection by one method, encoder and seed, and which a run continues.

What is chosen depends only on the runs before this one, so that the same run again chooses the
same, stays Cached and keeps its id.
"""

import json
import logging
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from sortal.configs.lineage import LineageConfig
from sortal.configs.schema import RunConfig
from sortal.configs.section import Runtime, identity_of
from sortal.storage.artifacts import Artifact, find
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.run_row import series_of
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.publishing.step import redact

log = logging.getLogger("sortal")

_FREE = ("source", "collection", "lineage", "evaluation")  # may change in a warm start
_WRITING = ("writer", "openai", "min_written")  # of naming
_LISTED = ("names", "vocabulary_content", "vocabulary_mode")  # of nouns: which list they are


class Pinned(BaseModel):
    """Names a user gave, by stable id; they are laid over a run, and never make it another."""

    names: dict[int, str] = Runtime({})


class Member(NamedTuple):
    """A run of a series: what it is made of and the last stable id it has."""

    run_id: str
    state: str
    settings: str
    previous_run_id: str | None
    last_id: int
    warm: bool


@dataclass(frozen=True)
class Past:
    """What a run continues from: the previous run, if any, and the artifacts to start warm from.

    `roles` is empty for a cold start. New clusters get ids from `next_id` on.
    """

    previous: str | None = None
    next_id: int = 0
    roles: dict[str, Artifact] = field(default_factory=dict)
    pinned: Pinned = field(default_factory=Pinned)
    reworded: bool = False  # whether clusters are named by other nouns than in the previous run

    @property
    def warm(self) -> bool:
        """Whether the run starts from an earlier one's results."""
        return bool(self.roles)


def settings_of(config: dict[str, Any]) -> str:
    """The settings that two runs must share for one to start from the other, as JSON text."""
    kept = {name: value for name, value in config.items() if name not in _FREE}
    if config.get("count"):
        kept.pop("n_clusters")
    if "naming" in kept:  # who writes names changes no cluster
        naming = kept["naming"].items()
        kept["naming"] = {name: each for name, each in naming if name not in _WRITING}
    if config.get("choose"):  # what is chosen may be another tomorrow
        kept = {name: _undecided(name, kept[name]) for name in kept.keys() - {"fusion", "head"}}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


def _undecided(name: str, value: Any) -> Any:
    """A section without what a choice decides."""
    if name not in ("nouns", "captions"):
        return value
    return {key: each for key, each in value.items() if key != "fuse"}


def state_of(scan: str, config: dict[str, Any]) -> str:
    """A state of the collection: what was scanned, and where, so that a moved source is another."""
    return f"{scan} {config.get('source')}"


def choose(
    members: list[Member], state: str, settings: str, full: bool
) -> tuple[Member | None, int, bool]:
    """The previous run, the next new stable id, and whether to start warm.

    `members` go from old to new. The previous run is the newest with these settings on another
    state of the collection; the first run with new settings follows the newest before it. A
    state that was last clustered cold stays so, or a run after `--full` would not be its own.
    """
    same = [member for member in members if member.settings == settings]
    mine = [member for member in same if member.state == state]
    others = [member for member in same if member.state != state]
    names = {member.run_id for member in members}
    orphans = [m for m in mine if m.previous_run_id and m.previous_run_id not in names]
    if orphans:  # deleted: continue from what followed, or from the run itself
        others = [m for m in others if members.index(m) > members.index(orphans[-1])] or orphans[
            -1:
        ]
    first = members.index(same[0]) if same else len(members)
    previous = next(reversed(others or members[:first]), None)
    name = previous.run_id if previous else None
    known = [member for member in mine if member.previous_run_id == name]
    before = members[: members.index(known[0])] if known else members
    next_id = 1 + max((member.last_id for member in before), default=-1)
    cold = full or not others or (bool(known) and not known[-1].warm)
    return previous, next_id, not cold


def look_back(
    workspace: Workspace, config: RunConfig, encoder_fingerprint: str, scan: Artifact
) -> Past:
    """What this run continues from, read from the lake."""
    series = series_of(
        config.collection_name,
        config.method_name,
        config.encoder.spec,
        encoder_fingerprint,
        config.random_state,
        config.source,
        config.by,
    )
    place = {"series": series}
    with Lake(workspace) as lake:
        rows = lake.query(sql("lineage/series"), place).to_pylist()
        members = [_member(row) for row in rows]
        # as it is recorded: what JSON makes of tuples, and no password
        now = json.loads(redact(json.dumps(identity_of(config))))
        state = state_of(scan.identity, now)
        previous, next_id, warm = choose(members, state, settings_of(now), config.lineage.full)
        names = dict(lake.execute(sql("lineage/pinned"), place).fetchall())
        roles = _artifacts(lake, previous.run_id) if previous and warm else {}
    if previous:
        how = "continued" if warm else "a cold start follows it"
        log.info("previous run %s: %s", previous.run_id, how)
    name = previous.run_id if previous else None
    reworded = previous is not None and _nouns(previous.settings) != _nouns(settings_of(now))
    return Past(name, next_id, roles, Pinned(names=names), reworded)


def _nouns(settings: str) -> list[Any]:
    """Which nouns a run with these settings (JSON) has."""
    nouns = json.loads(settings).get("nouns", {})
    return [nouns.get(name) for name in _LISTED]


def _member(row: dict[str, Any]) -> Member:
    config = json.loads(row["config"] or "{}")
    return Member(
        row["run_id"],
        state_of(row["scan"], config),
        settings_of(config),
        row["previous_run_id"],
        int(row["last_id"] or 0),
        row["warm"],
    )


def _artifacts(lake: Lake, run_id: str) -> dict[str, Artifact]:
    """References by role as the lake has them; whether they are still whole is not asked."""
    rows = lake.query(sql("lineage/artifacts"), {"run": run_id}).to_pylist()
    return {row.pop("role"): Artifact(**row) for row in rows}


def kept_space(
    workspace: Workspace,
    past: Past,
    role: str,
    images: Artifact,
    config: LineageConfig,
    prompted: bool,
) -> Artifact | None:
    """The previous run's texts, where they still suit the images; None: select again.

    `prompted`: whether texts have templates of their own once they are chosen (`select`).
    """
    known = past.roles.get(role)
    if known is None:
        return None
    space = find(workspace, known.kind, known.fingerprint)
    if space is None or not space.file(workspace, "mean.npy").exists():
        log.info("%s: reselecting texts: the stored selection is damaged", role)
        return None
    if space.facts.get("prompted", False) != prompted:
        log.info("%s: reselecting texts: templates were used otherwise", role)
        return None
    share, shift = drift(workspace, space, images)
    if share > config.new_share or shift > config.mean_shift:
        log.info(
            "%s: reselecting texts: since the last selection %.1f %% of the images are new and "
            "their mean moved by %.3f spreads",
            role, 100 * share, shift,
        )  # fmt: skip
        return None
    log.info("%s: the previous run's texts are kept (%.1f %% new images)", role, 100 * share)
    return space


def drift(workspace: Workspace, space: Artifact, images: Artifact) -> tuple[float, float]:
    """How far the images are from those the texts of `space` were chosen for, without labels.

    The share by which they grew, and the move of their mean in units of their spread about it:
    a share f of images of a new kind moves it by about f.
    """
    share = 1.0 - space.facts["n_images"] / max(images.rows, 1)
    return share, mean_shift(
        np.load(space.file(workspace, "mean.npy")), np.load(images.file(workspace, "mean.npy"))
    )


def mean_shift(past: np.ndarray, present: np.ndarray) -> float:
    """|m - m0| over the root mean square distance of unit vectors to their mean m0, each (d,)."""
    spread = math.sqrt(max(1.0 - float(past @ past), 1e-6))
    return float(np.linalg.norm(present - past) / spread)

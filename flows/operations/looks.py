"""What is made of a run's pictures so that people can look: made when first asked for, then kept.

`ensure` is the one way in. Its steps are called without Prefect; rows go into the lake's tables.
"""

import logging
from collections.abc import Sequence
from typing import Any

import duckdb

from sortal.configs.errors import RunError
from sortal.configs.looks import Look, LooksConfig
from sortal.configs.section import identity_of
from sortal.flows.operations.assign import StoredRun, command, load_run
from sortal.storage.artifacts import Artifact, find
from sortal.storage.collections.known import source_now
from sortal.storage.hashing import fingerprint
from sortal.storage.lake.lake import Lake
from sortal.storage.looks.rows import Place, known, record
from sortal.storage.workspace import Workspace
from sortal.tasks.duplicates.step import find_duplicates
from sortal.tasks.layout.step import make_map
from sortal.tasks.looks.step import flag_quality, make_thumbnails
from sortal.tasks.search.step import build_index

log = logging.getLogger("sortal")

_SECTIONS = {  # look -> its section, and those that what it stands on is made by
    "thumbnails": ("thumbnails",),
    "quality_flags": ("quality",),
    "duplicates": ("duplicates",),
    "search_index": ("search",),
    "map": ("map",),
}


def ensure(
    workspace: Workspace,
    looks: Sequence[Look],
    run: str | None = None,
    collection: str | None = None,
    config: LooksConfig | None = None,
) -> dict[Look, Artifact]:
    """The artifacts of `looks` for a run (default: the newest): found, or made now.

    What an earlier run of the collection has is grown: only new images are read, compared and
    placed. Raises UsageError for a run that is not there, RunError where what it stored is gone.
    """
    stored = load_run(workspace, run, collection)
    return Maker(workspace, stored, config or LooksConfig()).make(looks)


def source_of(workspace: Workspace, stored: StoredRun) -> str:
    """Where a run's images are now."""
    with Lake(workspace, read_only=True) as lake:
        return source_now(lake, workspace, stored.row)


class Maker:
    """Makes what is asked of one run, each thing once."""

    def __init__(self, workspace: Workspace, stored: StoredRun, config: LooksConfig) -> None:
        self._workspace, self._stored, self._config = workspace, stored, config
        row = stored.row
        self._place = Place(row["scan"], row["collection"], row["encoder_fingerprint"])
        self._made: dict[str, Artifact] = {}

    def make(self, looks: Sequence[Look]) -> dict[Look, Artifact]:
        """Their artifacts, in the order given."""
        return {look: self._get(look) for look in looks}

    def _get(self, look: Look) -> Artifact:
        if look not in self._made:
            self._made[look] = self._known(look) or self._make(look)
        return self._made[look]

    def _settings(self, look: Look) -> str:
        sections = [identity_of(getattr(self._config, name)) for name in _SECTIONS[look]]
        return fingerprint(look, _VERSIONS[look], sections)

    def _known(self, look: Look) -> Artifact | None:
        """What was made of this very scan."""
        with Lake(self._workspace, read_only=True) as lake:
            found = _known(lake, self._place, look, self._settings(look))
        here = [key for scan, key in found if scan == self._place.scan]
        return self._sound(look, here)

    def _previous(self, look: Look) -> Artifact | None:
        """The last result of the collection, under the same settings."""
        with Lake(self._workspace, read_only=True) as lake:
            found = _known(lake, self._place, look, self._settings(look))
        return self._sound(look, [key for _, key in found])

    def _sound(self, look: Look, keys: Sequence[str]) -> Artifact | None:
        sound = (find(self._workspace, look, key) for key in keys)
        return next(
            (artifact for artifact in sound if artifact and not _is_partial(artifact)), None
        )

    def _make(self, look: Look) -> Artifact:
        artifact = self._built(look)
        try:
            with Lake(self._workspace) as lake:
                folder = artifact.folder(self._workspace)
                record(lake, self._place, look, self._settings(look), artifact, folder)
        except (duckdb.Error, OSError) as error:  # a lake that may only be read
            log.warning("%s: its rows are not in the lake: %s", look, error)
        return artifact

    def _built(self, look: Look) -> Artifact:
        workspace, config = self._workspace, self._config
        if look == "thumbnails":
            source = source_of(workspace, self._stored)
            return make_thumbnails(
                workspace,
                scan=self._part("scan"),
                source=source,
                images=self._stored.config.images,
                config=config.thumbnails,
            )
        if look == "quality_flags":
            looks = self._get("thumbnails")
            return flag_quality(
                workspace, scan=self._part("scan"), looks=looks, config=config.quality
            )
        vectors, previous = self._part("image_vectors"), self._previous(look)
        if look == "duplicates":
            return find_duplicates(
                workspace,
                scan=self._part("scan"),
                looks=self._get("thumbnails"),
                vectors=vectors,
                images=self._stored.config.images,
                config=config.duplicates,
                previous=previous,
            )
        if look == "map":
            return make_map(workspace, vectors=vectors, config=config.map, previous=previous)
        return build_index(workspace, vectors=vectors, config=config.search, previous=previous)

    def _part(self, role: str) -> Artifact:
        place = self._stored.places.get(role)
        part = place and find(self._workspace, place["kind"], place["fingerprint"])
        if not part:
            raise RunError(
                f"the artifact {role} of run {self._stored.run_id} must be in "
                f"{self._workspace.root}, and is gone or damaged; "
                f"`{command(self._stored.row)}` with the run's settings rebuilds it"
            )
        return part


_STEPS: dict[Look, Any] = {
    "thumbnails": make_thumbnails,
    "quality_flags": flag_quality,
    "duplicates": find_duplicates,
    "search_index": build_index,
    "map": make_map,
}
_VERSIONS = {look: step.version for look, step in _STEPS.items()}


def _known(lake: Lake, place: Place, look: Look, settings: str) -> list[tuple[str, str]]:
    try:
        return known(lake, place, look, settings)
    except duckdb.CatalogException:  # a lake of before, that may only be read
        return []


def _is_partial(artifact: Artifact) -> bool:
    """Whether pictures could not be read this time, which are tried again."""
    return bool(artifact.facts.get("n_unread"))

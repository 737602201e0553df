"""Artifacts: immutable folders named by a fingerprint, complete when their manifest checks out."""

import json
import os
import shutil
from collections.abc import Callable, Collection
from contextlib import nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from sortal.storage.atomic import atomic_file, atomic_folder, intended, put_json
from sortal.storage.hashing import hash_file
from sortal.storage.mirror import MANIFEST, Entries, Mirror, is_read_later
from sortal.storage.workspace import Workspace


class Artifact(BaseModel):
    """A small reference to a finished artifact; the only thing that crosses a task boundary.

    `fingerprint` says where it is; `identity` says what it holds (the fingerprint, unless the
    step knows better: a touched file makes a new scan of the same identity). `facts` are
    counts and figures, JSON-able.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    fingerprint: str
    identity: str
    rows: int = 0
    facts: dict[str, Any] = {}

    def folder(self, workspace: Workspace) -> Path:
        """The artifact's folder."""
        return workspace.artifacts / self.kind / self.fingerprint

    def file(self, workspace: Workspace, name: str) -> Path:
        """A file in the artifact's folder."""
        return self.folder(workspace) / name


class Written(BaseModel):
    """What a step's body says about the files it wrote.

    `shared` are files outside the artifact's folder (vector shards) that it refers to: they
    are listed in the manifest and checked with it. `parts` are files of the artifact that workers
    have published in the bucket, by name, some of which may not be in the folder.
    """

    rows: int = 0
    identity: str | None = None
    facts: dict[str, Any] = {}
    shared: list[Path] = []
    parts: dict[str, dict[str, Any]] = {}


_kept: set[tuple[str, Path]] = set()  # artifacts that this process has seen in a bucket


@lru_cache(maxsize=65536)
def _hash_as_of(path: Path, size: int, mtime_ns: int) -> str:
    return hash_file(path)


def _entry(path: Path) -> dict[str, Any]:
    stat = path.stat()
    digest = _hash_as_of(path, stat.st_size, stat.st_mtime_ns)
    return {"bytes": stat.st_size, "hash": digest}


def publish(
    workspace: Workspace, kind: str, fingerprint: str, body: Callable[[Path], Written]
) -> Artifact:
    """Run `body(folder)` and publish the folder with a manifest, complete or not at all.

    Where the workspace has a bucket, first in the folder, then there.
    """
    final = workspace.artifacts / kind / fingerprint
    with atomic_folder(final) as folder:
        written = body(folder)
        artifact = Artifact(
            kind=kind,
            fingerprint=fingerprint,
            identity=written.identity or fingerprint,
            rows=written.rows,
            facts=written.facts,
        )
        manifest = _seal(workspace, folder, artifact, written.shared, written.parts)
    if mirror := Mirror.of(workspace):
        mirror.send_artifact(final, manifest)
    return artifact


def write_part(
    workspace: Workspace, folder: Path, name: str, write: Callable[[Path], Any]
) -> dict[str, Any] | None:
    """Have `write` make a file of an artifact whose folder another process is filling.

    Where the workspace has a bucket, the file is published there, and what tells of it returned,
    to be one of `Written.parts`: that process need not see this one's folder.
    """
    mirror = Mirror.of(workspace)
    place = folder if mirror is None or folder.is_dir() else intended(folder)
    place.mkdir(parents=True, exist_ok=True)
    path = place / name
    with nullcontext(path) if place == folder else atomic_file(path) as fresh:
        write(fresh)  # what a lost worker left in the artifact's folder is written over
    return mirror.send_part(path, intended(folder)) if mirror else None


def refer_to(workspace: Workspace, artifact: Artifact, body: Callable[[Path], list[Path]]) -> None:
    """Replace a sound artifact by one of the same content that refers to other shared files.

    `body` rewrites what names them in a copy of the folder, and returns them.
    """
    final = artifact.folder(workspace)
    with atomic_folder(final) as folder:
        shutil.copytree(final, folder, dirs_exist_ok=True)
        files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
        (folder / MANIFEST).unlink()
        parts = {name: each for name, each in files.items() if is_read_later(name)}
        manifest = _seal(workspace, folder, artifact, body(folder), parts)
    if mirror := Mirror.of(workspace):
        mirror.send_artifact(final, manifest)


def _seal(
    workspace: Workspace, folder: Path, artifact: Artifact, shared: list[Path], parts: Entries
) -> dict[str, Any]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    own = {**parts, **{p.relative_to(folder).as_posix(): _entry(p) for p in files}}
    mirror = Mirror.of(workspace)
    on = {
        workspace.relative(p): mirror.entry(p) if mirror and not p.exists() else _entry(p)
        for p in shared
    }
    manifest = {"artifact": artifact.model_dump(), "files": own, "shared": on}
    put_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an artifact's folder, or None where there is none that can be read."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        Artifact(**manifest["artifact"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest


def find(
    workspace: Workspace, kind: str, fingerprint: str, only: Collection[str] | None = None
) -> Artifact | None:
    """The finished and undamaged artifact, or None when it must be (re)built.

    Every file's size and hash is compared with the manifest; a hash already computed by this
    process for an unchanged file is not computed again. `only` names the files that a reader
    needs, all of which must be there: the others, and shared ones, are then not looked at.
    """
    folder = workspace.artifacts / kind / fingerprint
    mirror = Mirror.of(workspace)
    manifest = _whole(workspace, folder, mirror, only)
    if manifest is None and mirror and mirror.bring_artifact(folder):
        manifest = _whole(workspace, folder, mirror, only)
    if manifest is None:
        return None
    with suppress(OSError):  # a workspace that may only be read
        os.utime(folder / MANIFEST)  # its age is the time since it was last used
    return Artifact(**manifest["artifact"])


def _whole(
    workspace: Workspace, folder: Path, mirror: Mirror | None, only: Collection[str] | None
) -> dict[str, Any] | None:
    """The manifest of a folder that holds what it says."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    files = manifest["files"]
    wanted = files if only is None else dict.fromkeys(only)
    if not wanted.keys() <= files.keys():
        return None
    later = {name for name in wanted if mirror and is_read_later(name)}
    if not all(_sound(folder / name, files[name]) for name in wanted.keys() - later):
        return None
    own = {workspace.relative(folder / name): files[name] for name in later}
    shared = manifest["shared"] if only is None else {}
    return manifest if _are_near(workspace, own | shared, mirror) else None


def _are_near(workspace: Workspace, files: Entries, mirror: Mirror | None) -> bool:
    """Whether files are sound; for those not needed here yet the bucket's are enough."""
    root = workspace.root
    unsound = {name: each for name, each in files.items() if not _sound(root / name, each)}
    if not unsound or mirror is None:
        return not unsound
    away = {name for name in unsound if not (root / name).exists()}
    return away == unsound.keys() and mirror.holds(unsound)


def keep(workspace: Workspace, artifact: Artifact) -> None:
    """Publish a sound artifact where the workspace has a bucket that lacks it; note its use."""
    if mirror := Mirror.of(workspace):
        folder = artifact.folder(workspace)
        manifest = read_manifest(folder)
        place = (mirror.bucket.url, folder)
        if manifest is not None and place not in _kept:
            mirror.keep(folder, manifest)
            _kept.add(place)


def _sound(path: Path, entry: dict[str, Any]) -> bool:
    try:
        return path.stat().st_size == entry["bytes"] and _entry(path) == entry
    except OSError:
        return False

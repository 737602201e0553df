"""A workspace's artifacts and vectors in object storage; its folder then is what is near of them.

There is no rename there. A file lies under its path and the hash of its bytes, so that no object is
ever another; once all of a thing's are there and checked, its manifest is written under its own
path, and only what a manifest names counts. A file that is brought here has its hash checked.
"""

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sortal.configs.errors import RunError, TransientError
from sortal.storage.atomic import alone_in, atomic_file, atomic_folder
from sortal.storage.faults import point
from sortal.storage.hashing import hash_file
from sortal.storage.objects.bucket import Bucket, Object, at_once
from sortal.storage.workspace import Workspace

log = logging.getLogger("sortal")

MANIFEST = "manifest.json"
USED = "used"  # an object that is written when its artifact is of use
LAKES = "lakes"  # a folder of markers: whose artifacts these are
_DAY = 86_400.0
_VECTORS = re.compile(r"vectors-\d{5,}\.parquet")
Entries = Mapping[str, dict[str, Any]]  # path in the workspace -> hash, and bytes where known


class DamagedError(Exception):
    """An object is not there, or holds other bytes than its name says."""


def object_of(path: str, digest: str) -> str:
    """The name of the object that holds a file of the workspace."""
    return f"{path}.{digest}"


def is_read_later(name: str) -> bool:
    """Whether an artifact's file is brought when it is read: vectors, of which there are many."""
    return _VECTORS.fullmatch(name) is not None


@dataclass(frozen=True)
class Mirror:
    """The workspace at `root`, published in a bucket."""

    root: Path
    bucket: Bucket

    @classmethod
    def of(cls, workspace: Workspace) -> "Mirror | None":
        """That of a workspace, None where its folder is all there is."""
        return cls(workspace.root, Bucket(workspace.objects)) if workspace.objects else None

    def name(self, path: Path) -> str:
        """A path below the workspace, as objects are named."""
        return path.relative_to(self.root).as_posix()

    def send(
        self, files: Entries, manifests: Iterable[Path], unless_there: Iterable[Path] = ()
    ) -> None:
        """Upload the files that are not there, check them, then write the manifests, in order.

        Manifests of others, `unless_there`, come before them.
        """
        there = self._listed(files)

        def upload(item: tuple[str, dict[str, Any]]) -> None:
            name, entry = item
            if _is_whole(there, name, entry):
                return
            if not (self.root / name).exists():  # a shard that was not needed here, and was there
                raise TransientError(f"{name} must be in {self.bucket.url}, it is not; run again")
            self.bucket.upload(object_of(name, entry["hash"]), self.root / name)

        at_once(upload, files.items())
        others = (path for path in unless_there if self.name(path) not in there)
        for manifest in (*others, *manifests):
            point("objects.sent", manifest)
            self.bucket.write(self.name(manifest), manifest.read_bytes())
            point("objects.published", manifest)

    def holds(self, files: Entries) -> bool:
        """Whether objects of all these files are there."""
        there = self._listed(files)
        return all(_is_whole(there, name, entry) for name, entry in files.items())

    def _listed(self, files: Entries) -> dict[str, Object]:
        """The objects in the folders of these files, an artifact's own from its folder on."""
        found: dict[str, Object] = {}
        for folder in {"/".join(name.split("/")[:3]) for name in files}:
            found |= self.bucket.listed(folder)
        return found

    def bring(self, name: str, digest: str, place: Path) -> None:
        """Write the file `name` to `place`; raises DamagedError where it cannot be had as it was.

        An object of other bytes than its name says is deleted: nobody can have use for it.
        """
        for attempt in range(2):
            try:
                self.bucket.download(object_of(name, digest), place)
            except FileNotFoundError:
                raise DamagedError(f"{name} is missing") from None
            if hash_file(place) == digest:
                return
            if attempt:
                with suppress(RunError):  # where objects may only be read
                    self.bucket.delete([object_of(name, digest)])
        raise DamagedError(f"{name} holds other bytes")

    def bring_file(self, path: Path, digest: str) -> None:
        """Bring a file of the workspace to its place."""
        with atomic_file(path) as fresh:
            self.bring(self.name(path), digest, fresh)

    def entry(self, path: Path) -> dict[str, Any]:
        """Size and hash of a shard that is not here, as its sidecar and the bucket have them."""
        digest = str(json.loads(path.with_suffix(".json").read_text("utf-8"))["hash"])
        name = object_of(self.name(path), digest)
        found = self.bucket.listed(self.name(path.parent)).get(name)
        if found is None:
            raise TransientError(f"{self.bucket.url}/{name} must be there, and is not; run again")
        return {"bytes": found.size, "hash": digest}

    def send_part(self, path: Path, folder: Path) -> dict[str, Any]:
        """Publish a file of an artifact in the making, `folder` in the end; its size and hash.

        It counts for nothing before the manifest does.
        """
        digest = hash_file(path)
        self.bucket.upload(object_of(f"{self.name(folder)}/{path.name}", digest), path)
        return {"bytes": path.stat().st_size, "hash": digest}

    def opened(self, path: Path, digest: str) -> Any:
        """A file of the workspace as it lies in the bucket, to read parts of."""
        return self.bucket.open(object_of(self.name(path), digest))

    def pull_sidecars(self, folder: Path) -> set[str]:
        """Bring the sidecars of a store's shards; the names of all that the bucket has of it."""
        prefix = f"{self.name(folder)}/"
        there = self.bucket.listed(self.name(folder))
        wanted = [
            name
            for name, each in there.items()
            if name.endswith(".json") and _size(self.root / name) != each.size
        ]
        for name, text in zip(wanted, at_once(self.bucket.read, wanted), strict=True):
            if text is not None:
                with atomic_file(self.root / name) as fresh:
                    fresh.write_bytes(text)
        return {name.removeprefix(prefix) for name in there}

    def shards_of(self, folder: Path) -> set[str]:
        """The names of all that the bucket has of a store."""
        return {name.rpartition("/")[2] for name in self.bucket.listed(self.name(folder))}

    def remove_shard(self, path: Path) -> None:
        """Delete a shard: its sidecar, then every version of it."""
        name = self.name(path)
        sidecar = self.name(path.with_suffix(".json"))
        there = self.bucket.listed(self.name(path.parent))
        versions = [each for each in there if each.startswith(f"{name}.")]
        self.bucket.delete([sidecar, *versions])

    def bring_artifact(self, folder: Path) -> bool:
        """Bring an artifact's folder, without what it shares and what is read later.

        Whether a whole one is there.
        """
        name = self.name(folder)
        text = self.bucket.read(f"{name}/{MANIFEST}")
        manifest = parsed(text)
        if text is None or manifest is None:
            return False
        try:
            with atomic_folder(folder) as fresh:
                self._fill(fresh, name, manifest["files"])
                (fresh / MANIFEST).write_bytes(text)
        except DamagedError as error:
            log.warning("%s: %s; it is made again", self.bucket.url, error)
            return False
        log.info("%s: from %s", folder.parent.name, self.bucket.url)
        return True

    def bring_once(self, folder: Path, name: str) -> None:
        """Bring an artifact's folder unless its file `name` is here; one process at a time does."""
        if not (folder / name).exists():
            with alone_in(folder.parent):
                if not (folder / name).exists():
                    self.bring_artifact(folder)

    def _fill(self, folder: Path, name: str, files: Entries) -> None:
        def bring(item: tuple[str, dict[str, Any]]) -> None:
            place = folder / item[0]
            place.parent.mkdir(parents=True, exist_ok=True)
            self.bring(f"{name}/{item[0]}", item[1]["hash"], place)

        at_once(bring, (each for each in files.items() if not is_read_later(each[0])))

    def send_artifact(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Publish a finished artifact's folder, with the shards it refers to and their sidecars."""
        name, shared = self.name(folder), manifest["shared"]
        own = {f"{name}/{file}": entry for file, entry in manifest["files"].items()}
        sidecars = ((self.root / shard).with_suffix(".json") for shard in shared)
        there = [sidecar for sidecar in sidecars if sidecar.exists()]
        self.send(own | shared, [folder / MANIFEST], there)

    def keep(self, folder: Path, manifest: dict[str, Any]) -> None:
        """See that an artifact that was of use is there, and that it is known to have been."""
        name = self.name(folder)
        there = self.bucket.listed(name)
        if not self._is_published(name, manifest, there):
            self.send_artifact(folder, manifest)
            return
        last = max(each.modified for key, each in there.items() if key.endswith((MANIFEST, USED)))
        if (datetime.now(UTC) - last).total_seconds() > _DAY:
            self.bucket.write(f"{name}/{USED}", b"")

    def _is_published(
        self, name: str, manifest: dict[str, Any], there: Mapping[str, Object]
    ) -> bool:
        """Whether an artifact is whole there, be it with these files or another's."""
        if f"{name}/{MANIFEST}" not in there:
            return False
        if _all_whole(there, name, manifest):
            return True
        other = parsed(self.bucket.read(f"{name}/{MANIFEST}"))
        return other is not None and _all_whole(there, name, other)

    def manifests(self, there: Collection[str]) -> dict[str, dict[str, Any] | None]:
        """What the manifests of artifacts among the objects `there` say, by the folder's name."""
        names = [name for name in there if name.endswith(f"/{MANIFEST}")]
        texts = at_once(self.bucket.read, names)
        return {
            name.removesuffix(f"/{MANIFEST}"): parsed(text)
            for name, text in zip(names, texts, strict=True)
        }

    def join(self, lake: str) -> None:
        """Note that a lake's runs refer to what is here."""
        if self.bucket.read(f"{LAKES}/{lake}") is None:
            self.bucket.write(f"{LAKES}/{lake}", lake.encode())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _all_whole(there: Mapping[str, Object], name: str, manifest: dict[str, Any]) -> bool:
    files = manifest["files"].items()
    return all(_is_whole(there, f"{name}/{file}", entry) for file, entry in files)


def _is_whole(there: Mapping[str, Object], name: str, entry: dict[str, Any]) -> bool:
    found = there.get(object_of(name, entry["hash"]))
    return found is not None and found.size == entry.get("bytes", found.size)


def parsed(text: bytes | None) -> dict[str, Any] | None:
    """A manifest's text as a mapping; None where it is none."""
    try:
        manifest = json.loads(text or b"")
        return manifest if {"artifact", "files", "shared"} <= manifest.keys() else None
    except (ValueError, AttributeError):
        return None

"""Verification of a workspace's bucket: every object that a manifest names is read."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from sortal.storage.artifacts import find, read_manifest
from sortal.storage.hashing import hash_chunks, hash_file
from sortal.storage.maintenance.objects import sidecars
from sortal.storage.maintenance.verify import Finding
from sortal.storage.mirror import MANIFEST, Mirror, object_of
from sortal.storage.objects.bucket import Object
from sortal.storage.workspace import Workspace


class Published(NamedTuple):
    """What counts in a bucket by its manifest: objects by name with their hashes, and bytes there.

    -1 bytes: it is not there.
    """

    manifest: str
    objects: dict[str, str]
    sizes: dict[str, int]
    damaged: bool = False


def published(mirror: Mirror) -> list[Published]:
    """Every artifact and every shard that a bucket has."""
    there = mirror.bucket.listed("artifacts")
    shards = mirror.bucket.listed("vectors")
    found = [_of_artifact(there, *item) for item in mirror.manifests(there).items()]
    for name, facts in sidecars(mirror, shards).items():
        shard, digest = f"{name.removesuffix('.json')}.parquet", str(facts.get("hash"))
        if "hash" in facts or "order" not in facts:  # else a place that is kept for its shard
            objects = {object_of(shard, digest): digest}
            found.append(Published(name, objects, _sizes(shards, objects), "hash" not in facts))
    return found


def _of_artifact(
    there: Mapping[str, Object], folder: str, manifest: dict[str, Any] | None
) -> Published:
    files = manifest["files"] if manifest else {}
    hashes = {f"{folder}/{name}": each["hash"] for name, each in files.items()}
    objects = {object_of(name, digest): digest for name, digest in hashes.items()}
    return Published(f"{folder}/{MANIFEST}", objects, _sizes(there, objects), manifest is None)


def _sizes(there: Mapping[str, Object], names: Iterable[str]) -> dict[str, int]:
    return {name: there[name].size if name in there else -1 for name in names}


def check_published(workspace: Workspace, mirror: Mirror, thing: Published) -> Iterator[Finding]:
    """One finding at most: the first object that is not what its name says."""
    faults = (_fault(mirror, thing, name) for name in thing.objects)
    wrong = "its manifest cannot be read" if thing.damaged else next(filter(None, faults), None)
    if wrong:
        place = f"{mirror.bucket.url}/{thing.manifest.rpartition('/')[0]}"
        yield Finding(place, wrong, partial(_repair, workspace, mirror, thing))


def _fault(mirror: Mirror, thing: Published, name: str) -> str | None:
    size = thing.sizes[name]
    if size < 0:
        return f"the object {name.rpartition('/')[2]} is missing"
    whole = hash_chunks(mirror.bucket.chunks(name, size)) == thing.objects[name]
    return None if whole else f"the object {name.rpartition('/')[2]} holds other bytes"


def _repair(workspace: Workspace, mirror: Mirror, thing: Published) -> None:
    """Remove what is damaged, and publish it again where it is whole here."""
    bad = [name for name in thing.objects if _fault(mirror, thing, name)]
    mirror.bucket.delete([thing.manifest, *bad])
    is_artifact = thing.manifest.endswith(f"/{MANIFEST}")
    (_resend_artifact if is_artifact else _resend_shard)(workspace, mirror, thing)


def _resend_artifact(workspace: Workspace, mirror: Mirror, thing: Published) -> None:
    _, kind, fingerprint, _ = thing.manifest.split("/")
    artifact = find(workspace, kind, fingerprint)
    manifest = read_manifest(artifact.folder(workspace)) if artifact else None
    if artifact and manifest:
        mirror.send_artifact(artifact.folder(workspace), manifest)


def _resend_shard(workspace: Workspace, mirror: Mirror, thing: Published) -> None:
    sidecar = workspace.root / thing.manifest
    shard = sidecar.with_suffix(".parquet")
    for name, digest in thing.objects.items():
        same = shard.exists() and object_of(mirror.name(shard), digest) == name
        if same and sidecar.exists() and hash_file(shard) == digest:
            mirror.send({mirror.name(shard): {"hash": digest}}, [sidecar])

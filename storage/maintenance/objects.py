"""The objects of a workspace's bucket: what nothing needs is removed, what was deleted is deleted.

An object that a manifest names stays as long as the manifest does. Manifests of artifacts that no
run refers to go only where all runs are known: in a bucket of one lake.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sortal.storage.lake.lake import Lake
from sortal.storage.maintenance.orphans import used_artifacts
from sortal.storage.mirror import LAKES, MANIFEST, USED, Mirror, object_of
from sortal.storage.objects.bucket import Object, at_once

_RUN_KINDS = ("run", "report")  # artifacts that tell of one run
Objects = Mapping[str, Object]
Manifests = Mapping[str, dict[str, Any] | None]


class Unneeded(NamedTuple):
    """An object that may go, and its bytes."""

    name: str
    size: int


def other_lakes(mirror: Mirror, lake: Lake) -> list[str]:
    """The lakes besides this one whose artifacts are in the bucket."""
    return [name for name in _names(mirror, LAKES) if name != lake.id]


def _names(mirror: Mirror, folder: str) -> list[str]:
    return [name.removeprefix(f"{folder}/") for name in mirror.bucket.listed(folder)]


def shards_in_use(mirror: Mirror) -> set[Path]:
    """The shards that published artifacts refer to."""
    manifests = mirror.manifests(mirror.bucket.listed("artifacts"))
    return {mirror.root / name for each in manifests.values() if each for name in each["shared"]}


def unneeded(mirror: Mirror, lake: Lake, grace: float) -> list[Unneeded]:
    """Objects older than `grace` seconds that nothing needs, in the order in which they may go.

    Those of artifacts that no run refers to and that were not of use for so long, where the bucket
    has one lake; those that no manifest names, such as of a process that was killed before it wrote
    one, or of an artifact that was made again.
    """
    there = mirror.bucket.listed("artifacts")
    manifests = mirror.manifests(there)
    old = _Older(grace)
    unused = set() if other_lakes(mirror, lake) else _unused(there, manifests, lake, old)
    kept = {name: each for name, each in manifests.items() if name not in unused}
    first = [f"{name}/{MANIFEST}" for name in sorted(unused)]
    shards = mirror.bucket.listed("vectors")
    named = set(_named(kept)) | set(_named_by_sidecars(mirror, shards))
    stray = [
        name
        for name, each in sorted({**there, **shards}.items())
        if name not in named and name not in first and old(each)
    ]
    return [Unneeded(name, {**there, **shards}[name].size) for name in (*first, *stray)]


class _Older:
    def __init__(self, grace: float) -> None:
        self._before = time.time() - grace

    def __call__(self, found: Object) -> bool:
        return found.modified.timestamp() < self._before


def _unused(there: Objects, manifests: Manifests, lake: Lake, old: _Older) -> set[str]:
    """The folders of artifacts that no run of the lake refers to, and that were not of use since.

    A lake without a run says nothing about what is needed: then there are none.
    """
    runs, used = used_artifacts(lake)
    last = defaultdict(list)
    for name, each in there.items():
        if name.endswith((f"/{MANIFEST}", f"/{USED}")):
            last[name.rpartition("/")[0]].append(old(each))
    return {
        name
        for name, manifest in manifests.items()
        if runs
        and all(last[name])
        and tuple(name.split("/")[1:]) not in used
        and _run_of(manifest) not in runs
    }


def _run_of(manifest: dict[str, Any] | None) -> Any:
    return (manifest or {}).get("artifact", {}).get("facts", {}).get("run_id")


def _named(manifests: Manifests) -> Iterator[str]:
    for folder, manifest in manifests.items():
        yield from (f"{folder}/{MANIFEST}", f"{folder}/{USED}")
        if manifest is not None:
            for name, entry in manifest["files"].items():
                yield object_of(f"{folder}/{name}", entry["hash"])
            for name, entry in manifest["shared"].items():
                yield object_of(name, entry["hash"])


def _named_by_sidecars(mirror: Mirror, shards: Objects) -> Iterator[str]:
    for name, facts in sidecars(mirror, shards).items():
        yield name
        yield object_of(f"{name.removesuffix('.json')}.parquet", str(facts.get("hash")))


def sidecars(mirror: Mirror, shards: Objects) -> dict[str, dict[str, Any]]:
    """What the sidecars among the objects say, by their names; nothing of torn ones."""
    names = [name for name in shards if name.endswith(".json")]
    found = {}
    for name, text in zip(names, at_once(mirror.bucket.read, names), strict=True):
        try:
            found[name] = dict(json.loads(text or b"{}"))
        except (ValueError, TypeError):
            found[name] = {}
    return found


def delete_run(mirror: Mirror, run_id: str) -> None:
    """Delete the artifacts that tell of one run: first the manifests, by which they count.

    What a run shares with others goes by maintenance, once no run refers to it.
    """
    for kind in _RUN_KINDS:
        there = mirror.bucket.listed(f"artifacts/{kind}")
        for folder, manifest in mirror.manifests(there).items():
            if _run_of(manifest) == run_id:
                own = [name for name in there if name.startswith(f"{folder}/")]
                mirror.bucket.delete(sorted(own, key=lambda name: not name.endswith(MANIFEST)))

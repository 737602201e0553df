"""Verification: every file that has a manifest, a sidecar or a place in the lake is looked at.

A finding says where, what is wrong, and how to repair it: by removing what the next run rebuilds.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.errors import counted
from sortal.storage.artifacts import MANIFEST, read_manifest
from sortal.storage.atomic import TEMPORARY, remove, write_json
from sortal.storage.hashing import hash_file, hash_strings
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.retry import one_line
from sortal.storage.lake.sql import sql
from sortal.storage.maintenance.abandoned import abandoned_files
from sortal.storage.mirror import Mirror, is_read_later, object_of
from sortal.storage.vector_sets import INDEX
from sortal.storage.vectors import VectorStore
from sortal.storage.workspace import Workspace


class Finding(NamedTuple):
    """Something wrong at `place`; `repair()` repairs it, or removes it for the next run to rebuild.

    None where nothing can.
    """

    place: str
    what: str
    repair: Callable[[], Any] | None


def artifact_folders(workspace: Workspace) -> list[Path]:
    """Every finished artifact's folder."""
    found = sorted(workspace.artifacts.glob("*/*"))
    return [folder for folder in found if not folder.name.startswith(TEMPORARY)]


def check_artifact(workspace: Workspace, folder: Path) -> Iterator[Finding]:
    """One finding at most: the first file of an artifact that is not what its manifest says."""
    manifest = read_manifest(folder)
    wrong = "its manifest is missing or cannot be read" if manifest is None else None
    if manifest is not None:
        files = {workspace.root / name: entry for name, entry in _near(workspace, folder, manifest)}
        faults = (_fault(path, entry) for path, entry in files.items())
        wrong = next(filter(None, faults), None) or _index_fault(
            folder, workspace, manifest["artifact"]["facts"]
        )
    if wrong:
        yield Finding(workspace.relative(folder), wrong, partial(remove, folder))


class Lacking:
    """Tells which artifacts of runs are neither in a workspace's folder nor in its bucket."""

    def __init__(self, workspace: Workspace, is_shared: bool) -> None:
        """`is_shared`: runs of other machines, whose folders have the artifacts, may be there."""
        self._workspace, self._is_shared = workspace, is_shared
        mirror = Mirror.of(workspace)
        self._there = set(mirror.bucket.listed("artifacts")) if mirror else set()

    def check(self, lake: Lake, run_id: str) -> Iterator[Finding]:
        """One finding at most: how many artifacts of a run are missing, and the first of them."""
        query = "SELECT kind, fingerprint FROM artifacts WHERE run_id = $run_id ORDER BY role"
        places = lake.execute(query, {"run_id": run_id}).fetchall()
        missing = [place for place in map("/".join, places) if not self._has(f"artifacts/{place}")]
        if not missing or (self._is_shared and len(missing) == len(places)):
            return
        counts = f"{len(missing):,} of its {counted(len(places), 'artifact')}"
        verb, such = ("is", "") if len(missing) == 1 else ("are", "such as ")
        wrong = (
            f"{counts} {verb} missing, {such}artifacts/{missing[0]}; bring them from a back-up, or "
            "run the same `sortal cluster` again, which makes what is missing"
        )
        yield Finding(f"run {run_id}", wrong, None)

    def _has(self, name: str) -> bool:
        return (self._workspace.root / name).is_dir() or f"{name}/{MANIFEST}" in self._there


def _near(
    workspace: Workspace, folder: Path, manifest: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files of an artifact, without those that are in the bucket and were not needed here."""
    mirror = Mirror.of(workspace)
    later = dict(manifest["shared"])
    for name, entry in manifest["files"].items():
        path = workspace.relative(folder / name)
        if is_read_later(name):
            later[path] = entry
        else:
            yield path, entry
    for path, entry in later.items():
        if not mirror or (workspace.root / path).exists() or not mirror.holds({path: entry}):
            yield path, entry


def _fault(path: Path, entry: dict[str, Any]) -> str | None:
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            return f"{path.name} has {counted(size, 'byte')}, its manifest says {entry['bytes']:,}"
        return None if hash_file(path) == entry["hash"] else f"{path.name} holds other bytes"
    except FileNotFoundError:
        return f"{path.name} is missing"
    except OSError as error:
        return f"{path.name} cannot be read: {one_line(error)}"


def _index_fault(folder: Path, workspace: Workspace, facts: dict[str, Any]) -> str | None:
    """Whether an index names a row of a shard that holds another key."""
    if not (folder / INDEX).exists() or "store" not in facts:
        return None
    table = pq.read_table(folder / INDEX)
    names = json.loads(table.schema.metadata[b"shards"])
    store = VectorStore.of(workspace, facts["store"], facts["modality"])
    for number, name in enumerate(names):
        keys = store.keys_of(store.folder / Path(name).name)
        rows = table.filter(pc.equal(table["shard"], number))
        named = rows["key"].combine_chunks()
        if keys is None or not named.equals(keys.take(rows["row"]).combine_chunks()):
            return f"{INDEX} and the shard {Path(name).name} name different keys"
    return None


def check_store(workspace: Workspace, store: VectorStore) -> Iterator[Finding]:
    """The shards of a store that are not what their sidecars say, and those without one."""
    sidecars = store.sidecars()
    away = store.mirror.shards_of(store.folder) if store.mirror else frozenset()
    for name, facts in sorted(sidecars.items()):
        path = store.folder / f"{name}.parquet"
        if not path.exists() and object_of(path.name, str(facts.get("hash"))) in away:
            continue
        wrong = _shard_fault(path, facts) if "hash" in facts else None
        if wrong:
            yield Finding(workspace.relative(path), wrong, _remove_but_order(path, facts))
    for path in sorted(store.folder.glob("*.parquet")):
        if path.stem not in sidecars and not path.name.startswith(TEMPORARY):
            wrong = "a shard without a readable sidecar, which never counted"
            yield Finding(workspace.relative(path), wrong, _remove_with_sidecar(path))


def _shard_fault(path: Path, facts: dict[str, Any]) -> str | None:
    if not path.exists():
        return "the shard is missing"
    if hash_file(path) != facts["hash"]:
        return "the shard holds other bytes than its sidecar says"
    keys = pq.read_table(path, columns=["key"])["key"].to_pylist()
    if len(keys) != facts["rows"] or hash_strings(keys)[:16] != path.stem:
        return "the shard holds other keys than its name says"
    return None


def _remove_but_order(path: Path, facts: dict[str, Any]) -> Callable[[], None]:
    """Remove a shard but keep its place in the order, so that its rebuilt self takes it again."""

    def repair() -> None:
        remove(path)
        write_json(path.with_suffix(".json"), {"order": facts["order"]})

    return repair


def _remove_with_sidecar(path: Path) -> Callable[[], None]:
    def repair() -> None:
        remove(path)
        remove(path.with_suffix(".json"))

    return repair


def check_temporary_files(workspace: Workspace) -> Iterator[Finding]:
    """Temporary files of processes that are gone."""
    for path in abandoned_files(workspace):
        wrong = "left by a process that was killed"
        yield Finding(workspace.relative(path), wrong, partial(remove, path))


def lake_files(lake: Lake) -> list[tuple[str, str, int]]:
    """(table, path, bytes) of every data file that the newest snapshot is made of."""
    query = "SELECT $t, data_file, data_file_size_bytes FROM ducklake_list_files('lake', $t)"
    names = [name for (name,) in lake.execute(sql("verify/tables")).fetchall()]
    return [row for name in names for row in lake.execute(query, {"t": name}).fetchall()]


def check_lake_file(lake: Lake, table: str, path: str, size: int) -> Iterator[Finding]:
    """A data file that is missing, of another size, or cannot be read to its end."""
    file, has = Path(path), lake.size_of(path)
    wrong = None
    if has is None:
        wrong = "the data file is missing"
    elif has != size:
        wrong = f"the data file has {counted(has, 'byte')}, the catalogue says {size:,}"
    else:
        try:
            query = "SELECT bit_xor(hash(r)) FROM read_parquet($path) AS r"
            lake.execute(query, {"path": path}).fetchall()
        except duckdb.Error as error:
            wrong = f"the data file cannot be read: {one_line(error)}"
    if wrong:
        drop = {"name": file.name}
        yield Finding(
            f"lake/{table}/{file.name}", wrong, lambda: lake.execute(sql("verify/drop"), drop)
        )

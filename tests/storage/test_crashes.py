"""kill -9 at every point of every write: the next run goes on, and nothing shows in the end."""

import multiprocessing
import os
import shutil
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest

from crash import final_tables, go
from image_files import write
from sortal.configs.encoder import EncoderConfig
from sortal.configs.schema import (
    CaptionsConfig,
    ImagesConfig,
    NounsConfig,
    RunConfig,
)
from sortal.storage.atomic import TEMPORARY
from sortal.storage.workspace import Workspace
from tiny_clip import tiny, tiny_coca

FILE = ("file.begun", "file.half", "file.synced", "file.renamed")
LAKE = ("lake.begun", "lake.written", "lake.committed")
SHARD, SIDECAR = r"/images/\w+\.parquet$", r"/images/\w+\.json$"


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> RunConfig:
    """A run over 16 pictures, one of them broken, with an encoder of random weights."""
    root = tmp_path_factory.mktemp("crash")
    for i in range(15):
        write(root / "in" / f"{i % 3}" / f"{i:02}.png", seed=i)
    (root / "in" / "0" / "bad.png").write_bytes((root / "in" / "0" / "00.png").read_bytes()[:120])
    (root / "captions.txt").write_text("".join(f"a picture of {i} things\n" for i in range(30)))
    return RunConfig(
        source=str(root / "in"),
        n_clusters=3,
        method="cae",
        workspace=root / "undisturbed",
        images=ImagesConfig(num_workers=0),
        encoder=EncoderConfig(
            spec=tiny(root / "tiny"), device="cpu", batch_size=3, num_workers=0, shard_size=6
        ),
        nouns=NounsConfig(lexnames=("noun.Tops",)),
        captions=CaptionsConfig(source=str(root / "captions.txt")),
    )


@pytest.fixture(scope="module")
def run():
    """Run in a fork of a process that has imported everything: quick, and free of threads."""
    forkserver._forkserver._stop()  # another test's server has imported nothing of this
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["imported"])
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*sys.path, before]))

    def run(config: RunConfig, fault: str = "") -> int:
        process = context.Process(target=go, args=(config, fault))
        process.start()
        process.join()
        return process.exitcode

    yield run
    os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def undisturbed(base, run) -> Workspace:
    assert run(base) == 0
    return Workspace(base.workspace)


def elsewhere(base: RunConfig, folder: Path) -> tuple[RunConfig, Workspace]:
    return base.model_copy(update={"workspace": folder}), Workspace(folder)


def shards(workspace: Workspace) -> dict[Path, int]:
    """Finished shards and when they were written."""
    found = workspace.vectors.glob("*/images/[!.]*.json")
    return {path: path.with_suffix(".parquet").stat().st_mtime_ns for path in found}


def temporary(workspace: Workspace) -> list[Path]:
    return list(workspace.root.rglob(f"{TEMPORARY}*"))


def test_a_run_killed_at_every_point_of_every_write_ends_like_an_undisturbed_one(
    base, run, undisturbed, tmp_path
):
    """One workspace, killed again and again: each run must get past where the last one died."""
    config, workspace = elsewhere(base, tmp_path / "killed")
    kinds = sorted(
        (path for path in undisturbed.artifacts.iterdir()),
        key=lambda path: min(manifest.stat().st_mtime_ns for manifest in path.glob("*/*")),
    )
    faults = ["lease.held", *(f"{point} /scans/" for point in FILE)]
    for kind in (path.name for path in kinds):
        if kind == "image_vectors":
            faults += [f"{point} /vectors/failures-" for point in FILE]
            faults += [f"{point} {SHARD} {1 + (point == FILE[0])}" for point in FILE]
            faults += [f"{point} {SIDECAR}" for point in FILE]
        if kind == "text_vectors":
            faults += [f"{point} /texts/" for point in FILE]
        if kind == "run":
            faults += LAKE
        faults += [f"folder.begun /artifacts/{kind}/"]
        faults += [f"file.half /artifacts/{kind}/.*manifest.json$"]
        faults += [f"{point} /artifacts/{kind}/" for point in ("folder.synced", "folder.renamed")]
    faults += [f"{point} /reports/" for point in FILE]
    kept: dict[Path, int] = {}
    for fault in faults:
        assert run(config, f"KILL {fault}") == -signal.SIGKILL, fault
        now = shards(workspace)
        assert kept.items() <= now.items(), f"a finished shard was written again after {fault}"
        kept = now
    assert run(config) == 0
    assert shards(workspace).keys() and kept.items() <= shards(workspace).items()
    assert temporary(workspace) == []
    assert final_tables(workspace) == final_tables(undisturbed)


def test_a_rebuilt_artifact_is_swapped_in_whole(base, run, undisturbed, tmp_path):
    shutil.copytree(undisturbed.root, tmp_path / "copy")
    config, workspace = elsewhere(base, tmp_path / "copy")
    (damaged,) = workspace.artifacts.glob("partition/*/assignments.parquet")
    for fault in ("folder.synced", "folder.between", "folder.renamed"):
        data = damaged.read_bytes()
        damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert run(config, f"KILL {fault} /partition/") == -signal.SIGKILL
        assert run(config) == 0
        assert temporary(workspace) == []
    assert final_tables(workspace) == final_tables(undisturbed)


def test_captions_that_were_written_before_a_kill_are_not_written_again(base, run, tmp_path):
    coca = {"checkpoint": tiny_coca(tmp_path / "coca"), "beams": 1, "max_tokens": 6}
    coca |= {"device": "cpu", "batch_size": 2, "shard_size": 4}
    settings = {"method": "sac", "captioner": {"kind": "coca", "coca": coca}}
    settings |= {"head": {"trainer": {"epochs": 1}}, "workspace": tmp_path / "captioned"}
    config = RunConfig(**{**base.model_dump(exclude_unset=True), **settings})
    assert run(config, r"KILL file.renamed /captions/\w+\.json$ 2") == -signal.SIGKILL
    workspace = Workspace(config.workspace)
    (store,) = workspace.vectors.glob("*/captions")
    kept = {path: path.stat().st_mtime_ns for path in store.glob("[!.]*.json")}
    assert len(kept) == 2
    assert run(config) == 0
    now = {path: path.stat().st_mtime_ns for path in store.glob("[!.]*.json")}
    assert len(now) == 4 and kept.items() <= now.items()
    rows = final_tables(workspace)["image_captions"]
    assert len(rows) == 15 and all("'error_code': None" in row for row in rows)

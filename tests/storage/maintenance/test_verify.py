"""Verification: damage of every kind is found, and repair leaves the rest alone."""

import shutil
from pathlib import Path

import pytest

from crash import final_tables
from sortal.configs.errors import RunError
from sortal.configs.schema import RunConfig
from sortal.flows.recluster import recluster
from sortal.flows.terminal.checks import verify
from sortal.storage.atomic import temporary
from sortal.storage.lake.catalogue import CATALOGUE_VARIABLE
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.lease import hold
from sortal.storage.workspace import Workspace


@pytest.fixture
def place(config, tmp_path) -> Workspace:
    shutil.copytree(config.workspace, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def again(config: RunConfig, place: Workspace) -> None:
    recluster.fn(config.model_copy(update={"workspace": place.root}))


def flip(path: Path, at: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(bytes(data))


def times(place: Workspace) -> dict[Path, int]:
    found = [*place.vectors.rglob("*.parquet"), *place.artifacts.rglob("*.parquet")]
    return {path: path.stat().st_mtime_ns for path in found}


def shards(place: Workspace) -> list[Path]:
    return sorted(place.vectors.glob("*/images/*.parquet"))


def byte_flipped(place: Workspace) -> set[Path]:
    flip(shards(place)[0])
    return {shards(place)[0]}


def deleted(place: Workspace) -> set[Path]:
    gone = shards(place)[1]
    gone.unlink()
    return {gone}


def swapped(place: Workspace) -> set[Path]:
    first, second, _ = shards(place)
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    return {first, second}


def test_a_sound_workspace_is_all_sound_and_is_not_changed(place, capsys):
    before = times(place)
    assert verify(place.root, repair=False) and verify(place.root, repair=True)
    assert times(place) == before
    assert "all sound" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "repair"),
    [(byte_flipped, True), (byte_flipped, False), (deleted, True), (swapped, True)],
)
def test_damaged_shards_are_found_and_only_they_are_rebuilt(config, place, damage, repair, capsys):
    expected, before = final_tables(place), times(place)
    broken = damage(place)
    assert not verify(place.root, repair=False)
    said = capsys.readouterr().out
    assert all(path.name in said for path in broken) and "repair them with --repair" in said
    if repair:
        assert verify(place.root, repair=True)
        assert "run the same" in capsys.readouterr().out
    again(config, place)
    after = times(place)
    rebuilt = {path for path in after if after[path] != before.get(path)}
    assert rebuilt == broken | set(place.artifacts.glob("image_vectors/*/*.parquet"))
    assert verify(place.root, repair=False)
    assert final_tables(place) == expected


def test_a_damaged_artifact_is_removed_and_only_it_is_rebuilt(config, place, capsys):
    expected, before = final_tables(place), times(place)
    (damaged,) = place.artifacts.glob("fused/*/weights.parquet")
    flip(damaged)
    assert not verify(place.root, repair=False)
    assert "weights.parquet holds other bytes" in capsys.readouterr().out
    assert verify(place.root, repair=True)
    assert not damaged.parent.exists()
    again(config, place)
    after = times(place)
    changed = {path.parent for path in after if after[path] != before.get(path)}
    assert changed == {damaged.parent}
    assert final_tables(place) == expected


@pytest.mark.parametrize("gone", ["artifacts", "artifacts/partition"])
def test_artifacts_of_a_run_that_are_gone_are_told_of_and_made_by_the_next_run(
    config, place, gone, capsys
):
    shutil.rmtree(place.root / gone)
    assert not verify(place.root, repair=False)
    said = capsys.readouterr().out
    assert " missing, " in said
    assert "damaged: run " in said and "--repair" not in said
    assert not verify(place.root, repair=True)
    again(config, place)
    assert verify(place.root, repair=False)


@pytest.mark.parametrize("how", ["deleted", "cut", "garbled"])
def test_a_damaged_file_of_the_lake_is_written_again_from_artifacts(place, how, capsys):
    expected = final_tables(place)
    (damaged,) = (place.lake / "data").rglob("assignments/**/*.parquet")
    data = damaged.read_bytes()
    if how == "deleted":
        damaged.unlink()
    else:
        damaged.write_bytes(data[:100] if how == "cut" else data[:8] + b"x" * 200 + data[208:])
    assert not verify(place.root, repair=False)
    assert damaged.name in capsys.readouterr().out
    assert verify(place.root, repair=True) and verify(place.root, repair=False)
    assert final_tables(place) == expected


def test_rows_that_went_missing_or_changed_are_written_again_from_artifacts(place, capsys):
    expected = final_tables(place)
    with Lake(place) as lake:
        lake.execute("UPDATE assignments SET cluster = 0 WHERE key < 'images-1'")
        lake.execute("DELETE FROM cluster_terms WHERE rank = 1")
        lake.execute("DELETE FROM images WHERE path LIKE 'images-2%'")
    assert not verify(place.root, repair=False)
    said = capsys.readouterr().out
    assert all(f"{name} lacks" in said for name in ("assignments", "cluster_terms", "images"))
    assert verify(place.root, repair=True)
    assert final_tables(place) == expected


def test_on_postgresql_too_what_was_damaged_is_written_again_from_artifacts(
    config,
    tmp_path,
    monkeypatch,
    capsys,
    server,
):
    monkeypatch.setenv(CATALOGUE_VARIABLE, server)
    place = Workspace(tmp_path / "workspace")
    again(config, place)
    assert verify(place.root, repair=False)
    expected = final_tables(place)
    (damaged,) = place.lake.rglob("assignments/**/*.parquet")
    damaged.unlink()
    with Lake(place) as lake:
        lake.execute("DELETE FROM clusters WHERE cluster = 1")
    assert not verify(place.root, repair=False)
    assert damaged.name in capsys.readouterr().out
    assert verify(place.root, repair=True) and verify(place.root, repair=False)
    assert final_tables(place) == expected


def test_left_over_files_and_shards_that_never_counted_are_found_and_removed(place):
    left = temporary(place.artifacts / "fused" / "x")
    parts = left.name.split("-")
    parts[2] = "4194305"  # no process has this number: the kernel's limit is lower
    left.with_name("-".join(parts)).mkdir()
    shutil.copy(shards(place)[0], shards(place)[0].with_name("0123456789abcdef.parquet"))
    assert not verify(place.root, repair=False)
    assert verify(place.root, repair=True) and verify(place.root, repair=False)
    assert len(shards(place)) == 3


def test_nothing_is_repaired_while_a_run_goes_on(place):
    with hold(place, "in"), pytest.raises(RunError, match="in is being sorted by"):
        verify(place.root, repair=True)
    assert verify(place.root, repair=False)

"""Maintenance, deletion and verification of a bucket, and whole runs on two machines."""

import shutil
from pathlib import Path

import pytest

from s3_storage import Storage, s3_server  # noqa: F401 - a fixture
from sortal.configs.commands.maintenance import MaintenanceConfig
from sortal.configs.schema import RunConfig
from sortal.flows.operations.delete import delete
from sortal.flows.operations.maintenance import maintain
from sortal.flows.operations.verify import Verification, verify
from sortal.flows.recluster import recluster
from sortal.flows.run.plan import plan_of
from sortal.storage.artifacts import Written, find, publish, read_manifest
from sortal.storage.lake.lake import Lake
from sortal.storage.maintenance import objects
from sortal.storage.mirror import Mirror
from sortal.storage.objects import filesystems
from sortal.storage.workspace import Workspace
from vector_runs import write


def config(root: Path, workspace: Workspace) -> RunConfig:
    """Three files of ready-made vectors, a shard each."""
    if not (root / "in").is_dir():
        (root / "in").mkdir()
        for i in range(3):
            write(root / "in", f"images-{i}", "key", 20, i)
        write(root / "in", "nouns", "text", 15, 10)
        write(root / "in", "captions", "text", 15, 11)
    place = str(root / "in")
    return RunConfig(
        source=place, n_clusters=3, method="cae", encoder={"spec": f"vectors:{place}"},
        workspace=workspace.root,
    )  # fmt: skip


def identities(workspace: Workspace) -> dict[str, tuple[str, str]]:
    with Lake(workspace, read_only=True) as lake:
        rows = lake.execute("SELECT role, fingerprint, identity FROM artifacts").fetchall()
    return {role: (fingerprint, identity) for role, fingerprint, identity in rows}


def checked(workspace: Workspace, repair: bool = False) -> tuple[Verification, list[str]]:
    lines: list[str] = []
    found = verify(workspace.root, repair, lambda it: lines.append(f"{it.finding.what}: {it.done}"))
    return found, lines


def removed(workspace: Workspace, grace: float = -1.0) -> list[str]:
    """What maintenance of a bucket's objects alone removes."""
    with Lake(workspace, read_only=True) as lake:
        names = [each.name for each in objects.unneeded(Mirror.of(workspace), lake, grace)]
    Mirror.of(workspace).bucket.delete(names)
    return names


@pytest.fixture(scope="module", autouse=True)
def _straight(s3_server: Storage):  # noqa: F811
    """Without the proxy: nothing misbehaves here, and it takes half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", s3_server.straight)
        filesystems._opened.clear()
        yield
    filesystems._opened.clear()


@pytest.fixture(scope="module")
def once(tmp_path_factory, s3_server: Storage) -> tuple[RunConfig, dict[str, bytes]]:  # noqa: F811
    """A run with a bucket, and all that the bucket has after it."""
    root = tmp_path_factory.mktemp("objects")
    s3_server.empty()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTAL_OBJECTS", "s3://pictures/team")
        settings = config(root, Workspace(root / "whole"))
        recluster.fn(settings)
    return settings, {name: s3_server.get(name) for name in s3_server.names()}


@pytest.fixture
def ran(once, first: Workspace, bucket: Storage) -> RunConfig:
    """The same run, its folder in `first`; a test may spoil it, and the bucket."""
    settings, there = once
    shutil.copytree(settings.workspace, first.root, dirs_exist_ok=True)
    for name, data in there.items():
        bucket.put(name, data)
    return settings


def all_hits(one: Workspace, other: Workspace) -> bool:
    """Whether a machine has every artifact that a run of another refers to."""
    with Lake(one, read_only=True) as lake:
        rows = lake.execute("SELECT kind, fingerprint FROM artifacts").fetchall()
    return len(rows) > 10 and all(find(other, kind, fingerprint) for kind, fingerprint in rows)


def test_an_empty_machine_with_the_same_bucket_makes_nothing_again(
    ran, first, second, bucket, caplog
):
    before = bucket.names()
    plan = plan_of(ran.model_copy(update={"workspace": second.root}))
    assert (plan["images_to_embed"], plan["images_to_bring"]) == (0, 60)
    assert [list(each.values()) for each in plan["texts"].values()] == [[15, 0, 15]] * 2
    assert list(second.root.iterdir()) == [] and bucket.names() == before
    caplog.set_level("INFO", "sortal")
    recluster.fn(ran.model_copy(update={"workspace": second.root}))
    made = {text.partition(":")[0] for text in caplog.messages if " rows in " in text}
    assert made <= {"run", "report"}  # what a lake of its own must be told
    assert identities(second) == identities(first)
    assert checked(second)[0].remaining == 0

    # Two lakes: neither removes what no run of its own refers to.
    assert {name.split("/")[1] for name in removed(second)} <= made  # the first's record of it
    with Lake(first, read_only=True) as lake:
        assert len(objects.other_lakes(Mirror.of(first), lake)) == 1

    shutil.rmtree(second.artifacts)
    shutil.rmtree(second.vectors)
    assert all_hits(first, second)


def test_maintenance_removes_what_no_run_needs_and_nothing_else(ran, first, second, bucket):
    stray = f"artifacts/fused/{'0' * 32}/vectors-00000.parquet.{'1' * 32}"
    lost = f"vectors/{'2' * 32}/images/{'3' * 16}.parquet.{'4' * 32}"
    for name in (stray, lost):  # of machines that died before they wrote a manifest
        bucket.put(f"team/{name}", b"some bytes")
    unused = publish(first, "sums", "5" * 32, lambda _: Written(rows=1))
    assert removed(first, grace=86_400.0) == []  # too young: an upload that goes on
    assert set(removed(first)) >= {stray, lost, first.relative(unused.file(first, "manifest.json"))}
    shutil.rmtree(unused.folder(first))
    assert all_hits(first, second)


def test_merged_shards_take_the_place_of_the_small_ones_there_too(ran, first, second, bucket):
    before = [name for name in bucket.names("team/vectors") if "/images/" in name]
    items = maintain(MaintenanceConfig(workspace=first.root, grace_days=0.0))
    counts = {item.what: item.count for item in items}
    assert counts["small vector shards merged"] >= 3
    assert counts["replaced vector shards removed"] >= 3
    assert counts["other lakes of the bucket, no artifact removed there"] == 0
    after = [name for name in bucket.names("team/vectors") if "/images/" in name]
    assert len(before) == 6
    assert len(after) == 2  # one shard, one sidecar
    assert checked(first)[1] == []
    assert all_hits(first, second)


def test_a_deleted_run_is_deleted_in_the_bucket(ran, first, bucket):
    with Lake(first, read_only=True) as lake:
        ((run,),) = lake.execute("SELECT run_id FROM runs").fetchall()
    assert bucket.names("team/artifacts/run/")
    assert bucket.names("team/artifacts/report/")
    delete(first.root, run)
    assert bucket.names("team/artifacts/run/") == bucket.names("team/artifacts/report/") == []


def test_verify_finds_what_is_damaged_there_and_sends_it_again(ran, first, second, bucket):
    (shard, *_) = [n for n in bucket.names("team/vectors") if ".parquet." in n and "/images/" in n]
    (index,) = [n for n in bucket.names("team/artifacts/image_vectors") if "index.parquet" in n]
    bucket.put(shard, bytes(len(bucket.get(shard))))
    bucket.delete(index)
    lines = checked(first)[1]
    assert sorted(line.partition(" object ")[2].split(" ", 1)[1] for line in lines) == [
        "holds other bytes: damaged", "is missing: damaged",
    ]  # fmt: skip
    assert checked(first, repair=True)[0].repaired == 2
    assert set(bucket.names()) >= {shard, index}
    assert all_hits(first, second)


def test_a_folder_that_is_gone_is_no_damage_while_the_bucket_has_it(ran, first):
    for shard in first.vectors.glob("*/images/*.parquet"):
        shard.unlink()
    assert checked(first)[1] == []
    assert not list(first.vectors.glob("*/images/*.parquet"))  # verifying brings no vectors here


def test_an_old_object_of_use_is_marked_so_that_it_stays(ran, first, bucket):
    folder = next(first.artifacts.glob("fused/*"))
    mirror = Mirror.of(first)
    listed = mirror.bucket.listed

    class Old(type(mirror.bucket)):
        def listed(self, prefix: str):
            return {name: each._replace(modified=each.modified.replace(year=2020))
                    for name, each in listed(prefix).items()}  # fmt: skip

    Mirror(first.root, Old(mirror.bucket.url)).keep(folder, read_manifest(folder))
    assert bucket.names(f"team/{first.relative(folder)}/used")

"""Real image files through the whole flow as they change, until old runs are deleted.

One workspace; a test changes the collection as it is, so they pass in any order.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.flows.run.result import RunResult
from sortal.storage.hashing import hash_file
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.pictures import decode as decoding
from sortal.tasks.report import thumbnails

PICTURES = 100
SETTINGS = ["nouns.lexnames=[noun.Tops]", "images.num_workers=0", "encoder.num_workers=0"]


class Growing:
    """A folder of pictures, the workspace it is clustered in, and pictures it has not had."""

    def __init__(self, root: Path, photos: Path) -> None:
        self.folder, self.workspace = root / "pictures", Workspace(root / "workspace")
        pictures = sorted(photos.rglob("*.png"))
        for picture in pictures[:PICTURES]:
            target = self.folder / picture.name  # flat: without labels there is nothing to evaluate
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(picture, target)
        self.unseen = iter(pictures[PICTURES:])
        self.captions = root / "captions.txt"
        self.captions.write_text("".join(f"a drawing of {n} things\n" for n in range(20)))

    def run(self, *settings: str) -> RunResult:
        values = {"source": str(self.folder), "n_clusters": 4, "method": "cae"}
        values |= {"workspace": self.workspace.root}
        values["captions"] = {"source": str(self.captions)}
        return recluster.fn(make_config(values, [*SETTINGS, *settings]))

    def add(self) -> Path:
        return Path(shutil.copy2(next(self.unseen), self.folder))

    def a_picture(self) -> Path:
        """One that is there under no other name."""
        found = {hash_file(path): path for path in sorted(self.folder.rglob("*.png"))}
        return found[min(found)]

    def vectors(self) -> dict[Path, tuple[int, str]]:
        """Every file of the image vectors, with its time and hash."""
        files = self.workspace.vectors.glob("*/images/*.*")
        return {path: (path.stat().st_mtime_ns, hash_file(path)) for path in files}

    def rows(self, query: str, *values: object) -> list[tuple]:
        with Lake(self.workspace, read_only=True) as lake:
            return lake.execute(query, list(values)).fetchall()

    def paths(self, run: RunResult) -> dict[str, str]:
        """The key of every path of a run."""
        query = "SELECT path, key FROM images JOIN runs USING (scan, collection) WHERE run_id = ?"
        return dict(self.rows(query, run.run_id))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, photos) -> Growing:
    growing = Growing(tmp_path_factory.mktemp("growing"), photos)
    growing.run()
    return growing


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """What for, for every image that is decoded while the test runs: vectors or thumbnails."""
    seen: list[str] = []
    for name, module in {"vector": decoding, "thumbnail": thumbnails}.items():

        def noted(*arguments, name=name, plain=module.decode):
            seen.append(name)
            return plain(*arguments)

        monkeypatch.setattr(module, "decode", noted)
    return seen


def test_nothing_changed_so_nothing_is_decoded_or_written(pictures, decoded):
    first = pictures.run()
    before = pictures.vectors()
    decoded.clear()
    again = pictures.run()
    assert again.run_id == first.run_id
    assert decoded == [] and pictures.vectors() == before


def test_of_one_per_cent_new_images_exactly_those_are_embedded(pictures, decoded):
    pictures.run()
    before = pictures.vectors()
    new = [pictures.add()]
    run = pictures.run()
    after = pictures.vectors()
    assert decoded.count("vector") == len(new) == PICTURES // 100
    assert before.items() <= after.items() and len(after) == len(before) + 2  # shard and sidecar
    assert {path.name for path in new} <= pictures.paths(run).keys()


def test_a_renamed_touched_or_copied_file_is_not_embedded_again(pictures, decoded):
    pictures.run()
    before = pictures.vectors()
    picture = pictures.a_picture()
    renamed = picture.rename(picture.with_name(f"renamed-{picture.name}"))
    copied = Path(shutil.copy(renamed, pictures.folder / f"copy-of-{renamed.name}"))
    os.utime(next(pictures.folder.glob("*.png")))
    run = pictures.run()
    assert "vector" not in decoded and pictures.vectors() == before
    found = pictures.paths(run)
    names = [str(path.relative_to(pictures.folder)) for path in (renamed, copied)]
    assert found[names[0]] == found[names[1]] == hash_file(renamed)
    assert str(picture.relative_to(pictures.folder)) not in found
    query = "SELECT path, cluster FROM latest_assignments WHERE key = ? ORDER BY path"
    both = pictures.rows(query, hash_file(renamed))
    assert sorted(names) == [path for path, _ in both] and len({c for _, c in both}) == 1


def test_other_bytes_of_the_same_size_and_time_are_found_with_verify(pictures):
    known = pictures.run()
    picture = pictures.a_picture()
    name, stat = str(picture.relative_to(pictures.folder)), picture.stat()
    data = bytearray(picture.read_bytes())
    data[-1] ^= 1  # within the last chunk's checksum, so it is another file and still a picture
    picture.write_bytes(data)
    os.utime(picture, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert pictures.run().run_id == known.run_id
    found = pictures.run("images.verify=true")
    assert found.run_id != known.run_id
    assert pictures.paths(found)[name] == hash_file(picture)
    assert pictures.run().run_id == found.run_id


def test_a_deleted_file_is_gone_from_the_next_run_and_stays_in_the_old_one(pictures, decoded):
    old = pictures.run()
    picture = pictures.a_picture()
    name = str(picture.relative_to(pictures.folder))
    picture.unlink()
    new = pictures.run()
    assert "vector" not in decoded
    assert name in pictures.paths(old) and name not in pictures.paths(new)
    assert pictures.rows("SELECT count(*) FROM latest_assignments WHERE path = ?", name) == [(0,)]
    count = "SELECT n_images FROM runs WHERE run_id IN (?, ?) ORDER BY started_at"
    (before,), (after,) = pictures.rows(count, old.run_id, new.run_id)
    assert after == before - 1


def test_old_runs_go_by_the_command_line_only_when_told_twice(pictures):
    for _ in range(3):
        pictures.add()
        last = pictures.run()

    def prune(*more: str) -> str:
        code = "from sortal.flows.cli.app import main; main()"
        told = ["runs", "--prune", "--keep-last", "1", "-w", str(pictures.workspace.root), *more]
        done = subprocess.run(
            [sys.executable, "-c", code, *told],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout

    runs = {run for (run,) in pictures.rows("SELECT run_id FROM runs")}
    assert "would go; add --yes" in prune()
    assert {run for (run,) in pictures.rows("SELECT run_id FROM runs")} == runs
    said = prune("--yes")
    kept = {run for (run,) in pictures.rows("SELECT run_id FROM runs")}
    assert f"{len(runs - kept):,} run" in said and "gone" in said
    assert len(kept) == 2 and last.run_id in kept  # it, and the run it was compared with
    assert {page.stem for page in pictures.workspace.reports.glob("*.html")} == kept
    assert pictures.run().run_id == last.run_id

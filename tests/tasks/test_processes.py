"""A user's script runs once, whatever processes its run starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from image_files import write

N_FILES = 600

HEAD = """\
import sys
from pathlib import Path
print("the script runs")
sys.path.append({helpers!r})
"""

READING = """
from image_files import CONFIG, write
from sortal.configs.schema import ImagesConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.embedding.batches import Batches, bounds_of, read_batches
from sortal.tasks.encoders.clip import describe
from sortal.tasks.scan import headers
from sortal.tasks.scan.step import scan
from sortal.tasks.sources.registry import open_source
import pyarrow.parquet as pq
import torchvision.transforms.functional

headers._MANY = 100
workspace = Workspace(Path("workspace")).create()
found = scan(workspace, source="pictures", config=ImagesConfig(num_workers=2))
assert found.facts["n_ok"] == {n_files}
table = pq.read_table(found.file(workspace, "images.parquet"))
batches = Batches(
    open_source("pictures"), table, bounds_of({n_files}, 4096, 64), CONFIG,
    torchvision.transforms.functional.to_tensor,
)
read = list(read_batches(batches, {n_files}, num_workers=2))
assert sum(len(batch.keys) for batch in read) == {n_files}
"""

THREADS = """
import multiprocessing, threading
from sortal.tasks.processes import without_main

def names(context):
    with context.Pool(1) as pool:
        return pool.apply(len, ("abc",))

spawn = multiprocessing.get_context("spawn")
found = []
def ours():
    with without_main():
        found.append(names(spawn))
threads = [threading.Thread(target=ours) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [3, 3, 3]
"""

BENCHMARK = """
from sortal.flows.benchmark.workers import Task, run_groups
from sortal.configs.load import make_config
config = make_config({{"source": "nowhere", "n_clusters": 2, "workspace": "workspace"}})
[outcome] = run_groups([[Task("cell", config)]], 1, 1, Path("logs"))
assert "source must exist" in outcome.error, outcome
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("script")
    for number in range(N_FILES):
        write(folder / f"pictures/{number:03}.png", seed=number)
    return folder


@pytest.mark.parametrize("body", [READING, BENCHMARK, THREADS], ids=["reading", "cells", "threads"])
def test_a_script_without_a_guard_is_not_run_again_by_worker_processes(folder: Path, body: str):
    script = folder / "script.py"
    helpers = str(Path(__file__).parents[1] / "helpers")
    script.write_text((HEAD + body).format(helpers=helpers, n_files=N_FILES))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count("the script runs") == 1
    for log in folder.glob("logs/*.log"):
        assert "the script runs" not in log.read_text()


def test_processes_that_others_start_meanwhile_still_import_the_script(tmp_path: Path):
    """A thread that starts processes of its own is not changed by ours."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, threading\n"
        "from sortal.tasks.processes import without_main\n"
        "def mine(): return 5\n"
        "def theirs(found):\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        found.append(pool.apply(mine))\n"
        "if __name__ == '__main__':\n"
        "    found = []\n"
        "    with without_main():\n"
        "        thread = threading.Thread(target=theirs, args=(found,))\n"
        "        thread.start()\n"
        "        thread.join()\n"
        "    assert found == [5], found\n"
        "    print(found)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[5]\n"

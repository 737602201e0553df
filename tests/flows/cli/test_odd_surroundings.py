"""A home that cannot be written, streams that cannot say a character or are closed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from terminal import Terminal

SORTAL = [sys.executable, "-m", "sortal"]
WORDS = "SELECT 'Käse und 猫' AS name"


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, timeout=300, check=False
    )


@pytest.fixture
def lake(workspace: Workspace) -> str:
    with Lake(workspace):
        pass
    return str(workspace.root)


def test_without_a_home_that_can_be_written_prefects_is_in_the_workspace(tmp_path: Path):
    (tmp_path / "ready").mkdir()
    vectors = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    rows = {"key": [f"k{i}" for i in range(12)], "vector": list(vectors)}
    pq.write_table(pa.table(rows), tmp_path / "ready" / "images.parquet")
    plain = ["--method", "kmeans", "--set", "nouns.source=none", "--set", "captions.source=none"]
    command = [*SORTAL, "cluster", f"vectors:{tmp_path / 'ready'}", "-k", "2", *plain]
    command += ["-w", str(tmp_path / "workspace")]
    without = {name: value for name, value in os.environ.items() if name != "PREFECT_HOME"}
    done = subprocess.run(
        command, env={**without, "HOME": "/proc/nowhere"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) < 60
    assert (tmp_path / "workspace" / "home" / "prefect").is_dir()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_character_that_stdout_cannot_say_is_replaced(lake, encoding, form):
    done = run([*SORTAL, "sql", WORDS, "--format", form, "-w", lake], PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"se und ?" in done.stdout


def test_json_is_escaped_where_stdout_cannot_say_it(lake):
    done = run([*SORTAL, "sql", WORDS, "--format", "json", "-w", lake], PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and rb"\u732b" in done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_nothing(lake, closed):
    done = run(["sh", "-c", f'exec "$@" {closed}', "sh", *SORTAL, "sql", WORDS, "-w", lake])
    assert done.returncode == 0


def test_a_full_disk_under_stdout_is_one_line(lake):
    done = run(["sh", "-c", 'exec "$@" >/dev/full', "sh", *SORTAL, "sql", WORDS, "-w", lake])
    assert done.returncode == 1
    assert done.stderr.decode() == "sortal: stdout must take what is printed, got: " \
        "No space left on device\n"  # fmt: skip


@pytest.mark.parametrize("columns", [1, 20, 80])
def test_a_terminal_too_narrow_for_columns_gets_a_line_a_value(lake, tmp_path, columns):
    query = "SELECT 1 AS size, " + ", ".join(f"'{20 * c}' AS {c}" for c in "abcd")
    window = Terminal([*SORTAL, "sql", query, "-w", lake], tmp_path, COLUMNS=str(columns))
    window.until(lambda: window.process.poll() is not None)
    window.read(0.5)
    found = window.text.replace("\r", "").splitlines()
    assert found[0].split() == ["size", "1"] and found[-2].split() == ["d", 20 * "d"]


def test_a_wide_terminal_gets_columns(lake, tmp_path):
    window = Terminal([*SORTAL, "sql", "SELECT 1 AS a, 2 AS b", "-w", lake], tmp_path, COLUMNS="80")
    window.until(lambda: window.process.poll() is not None)
    window.read(0.5)
    assert [line.split() for line in window.text.splitlines()][-2:] != [["a", "1"], ["b", "2"]]

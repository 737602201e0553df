"""What only reads or plans makes nothing, and a workspace that cannot be is one line."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

import sortal
from http_server import serving
from sortal.flows.process.server import reach_server
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace


def run(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sortal", *arguments], cwd=folder, env=env,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command", [["sql", "SELECT 1"], ["diff", "a", "b"], ["maintain"], ["rename", "1", "x"]]
)
def test_a_mistyped_workspace_is_not_made_and_near_names_are_told(tmp_path: Path, command):
    with Lake(Workspace(tmp_path / "holiday")):
        pass
    done = run(tmp_path, *command, "-w", "holidays")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "holidays, which is not there; did you mean" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["holiday"]


def test_a_dry_run_makes_nothing_and_says_it_in_five_lines(clip: Path, tmp_path: Path):
    done = run(tmp_path, "cluster", f"vectors:{clip}", "-k", "5", "--dry-run", "-w", "new")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["read", "images", "texts", "run", "time"]
    assert "500 to embed" in lines[1] and "new (not there yet)" in lines[3]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said", "env"),
    [
        (["nowhere"], 2, "source must exist, got 'nowhere'", {}),
        ([".", "--encoder", "open_clip:hf-hub:a/b"], 2, "run online",
         {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "hub"}),
        (["."], 1, "must answer at http://127.0.0.1:9/api, got",
         {"PREFECT_API_URL": "http://me:secret@127.0.0.1:9/api"}),
        (["."], 1, "must answer at http://no-such-host.invalid/api, got",
         {"PREFECT_API_URL": "http://no-such-host.invalid/api"}),
    ],
)  # fmt: skip
def test_a_refused_run_makes_nothing_and_says_one_line(tmp_path: Path, words, code, said, env):
    done = run(tmp_path, "cluster", *words, "-k", "3", "-w", "new", env={**os.environ, **env})
    assert done.returncode == code and said in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "secret" not in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"oops"), (401, b""), (200, b"<html>"), (200, b"")]
)
def test_a_server_that_is_not_prefects_is_one_line(status, body):
    with (
        serving(lambda request: request.answer(status, body=body)) as web,
        temporary_settings({PREFECT_API_URL: f"{web.url}/api"}),
        pytest.raises(sortal.RunError, match=f"must answer at {web.url}/api, got") as caught,
    ):
        reach_server()
    assert "\n" not in str(caught.value)


def test_a_server_whose_answer_comes_in_drips_is_given_up():
    def drip(request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            for _ in range(60):
                request.wfile.write(b"x-drip: 1\r\n")
                time.sleep(0.5)

    with (
        serving(drip) as web,
        temporary_settings({PREFECT_API_URL: f"{web.url}/api"}),
        pytest.raises(sortal.RunError, match="got: no answer within 3 s"),
    ):
        reach_server()


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere/w", "x" * 300])
def test_an_impossible_workspace_is_one_line(tmp_path: Path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(sortal.UsageError, match="workspace must be a folder, or a place"):
        Workspace(tmp_path / place).create()


def test_a_workspace_by_hand_takes_a_text(tmp_path: Path):
    assert sortal.Workspace(str(tmp_path)).path == tmp_path


def test_pragma_is_refused(workspace: Workspace):
    with Lake(workspace):
        pass
    with pytest.raises(sortal.UsageError, match="sql only reads.*got PRAGMA"):
        sortal.Workspace(workspace.root).sql("/* x */ pragma database_list")

"""`sortal up` as a person uses it: one command, pages that answer, nothing left after Ctrl-C."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from grown import Collection
from readme import blocks
from sortal.storage.processes import descendants

pytestmark = pytest.mark.timeout(600)


def _sortal(*arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sortal", *arguments], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def _post(page: str, path: str) -> list[dict]:
    request = urllib.request.Request(
        f"{page}/api{path}", b"{}", {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _wait_for(found):
    end = time.monotonic() + 240
    while not (result := found()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return result


def test_one_command_gives_pages_a_run_and_a_report_and_ctrl_c_ends_it_all(tmp_path: Path):
    pets = Collection(tmp_path)
    pets.add(cat=12, dog=12, boat=12)
    pets.write_images()
    workspace = str(tmp_path / "workspace")
    env = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:1/api"}  # somebody's other server
    [[line]] = blocks("README.md", "Schedule")
    line = line.replace("~/photos", f"vectors:{tmp_path / 'pets'}").replace("-k 20", "-k 3")
    _, *typed = shlex.split(line)
    with _sortal(*typed, "--method", "kmeans", "--now", "-w", workspace, env=env) as running:
        said = {}
        for line in running.stdout:
            name, _, value = line.strip().partition("  ")
            said[name] = value.strip()
            if line.startswith("Ctrl-C"):
                break
        page = said["Prefect's page"]
        assert "15 2 * * *" in said["schedule"]
        names = {found["name"] for found in _post(page, "/deployments/filter")}
        assert names == {"nightly", "on-demand", "maintenance"}

        second = _sortal("up", "-w", workspace)
        _, error = second.communicate(timeout=120)
        assert second.returncode == 1 and page in error and error.count("\n") == 1

        def reports() -> list[str]:
            shown = [each["data"] for each in _post(page, "/artifacts/filter")]
            return [each for each in shown if isinstance(each, str) and "[Report](" in each]

        link = _wait_for(reports)[0].partition("[Report](")[2].partition(")")[0]
        assert link.startswith(said["reports"])
        with urllib.request.urlopen(link, timeout=30) as answer:
            assert b"<title" in answer.read()

        started = descendants(running.pid)
        assert len(started) >= 2
        running.send_signal(signal.SIGINT)
        _, error = running.communicate(timeout=60)
    assert running.returncode == 130 and error.strip().count("\n") == 0, error
    _wait_for(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-k", "4"], 2, "SOURCE must be given"),
        (["--now"], 2, "SOURCE must be given"),
        ([".", "-k", "4", "--schedule", "nightly"], 2, "a schedule must be a cron line"),
        ([".", "-k", "4", "--set", "method=kmeans"], 2, "give the parameter method"),
        ([".", "-k", "1"], 2, "n_clusters"),
    ],
)
def test_a_mistake_is_one_line_and_starts_nothing(tmp_path: Path, arguments, code, words):
    asked = _sortal("up", *arguments, "-w", str(tmp_path / "workspace"), cwd=tmp_path)
    out, error = asked.communicate(timeout=120)
    assert (asked.returncode, out, error.count("\n")) == (code, "", 1), error
    assert words in error
    assert not (tmp_path / "workspace").exists()

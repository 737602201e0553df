"""The command line as a person meets it: real processes, their output and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sortal.configs.load import make_config
from sortal.flows.operations.demo import demo_config

RUN = "import sys; from sortal.flows.cli.app import main; sys.argv[0] = 'sortal'; main()"


def sortal(*arguments: str, code: str = RUN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", ["--help", "--version", "-V", "methods", "benchmark --help"])
def test_commands_that_only_tell_import_nothing_heavy(arguments):
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'prefect', 'sklearn', 'duckdb'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n" + RUN
    )
    done = sortal(*arguments.split(), code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_what_runs_nothing_imports_no_torch(tmp_path: Path):
    """Nor does a rerun in which nothing changed: its steps are found by the same modules."""
    (tmp_path / "photos").mkdir()
    for shade in (0, 90, 180):
        Image.new("L", (16, 16), shade).save(tmp_path / f"photos/{shade}.png")
    code = (
        "import sys, atexit, sortal.flows.recluster, sortal.flows.operations.assign\n"
        "atexit.register(lambda: print('TORCH', 'torch' in sys.modules))\n" + RUN
    )
    where = ["-w", str(tmp_path / "workspace")]
    for method in ("cae", "glad"):
        run = ["cluster", str(tmp_path / "photos"), "-k", "2", "--method", method, "--dry-run"]
        done = sortal(*run, *where, code=code)
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip().endswith("TORCH False")
        assert "nouns (all reused), 3,813 captions (all reused)" in done.stdout  # they are packaged


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cluster", "nowhere", "-k", "5"], ["source must exist", "nowhere"]),
        (["cluster", "{tmp}", "-k", "1"], ["n_clusters", "got 1"]),
        (
            ["cluster", "{tmp}", "-k", "5", "--method", "caee"],
            ["the nearest are cae", "`sortal methods`"],
        ),
        (["cluster", "{tmp}", "-k", "5", "--encoder", "clip"], ["encoder must be", "'clip'"]),
        (["cluster", "{tmp}", "-k", "5", "--set", "fusion.gama=1"], ["did you mean fusion.gamma?"]),
        (["cluster", "{tmp}", "-k", "5", "--captions", "gone.txt"], ["captions", "got gone.txt"]),
        (["cluster", "vectors:{tmp}", "-k", "5"], ["must hold a file *images*.parquet"]),
        (["cluster", "ftp://host/x", "-k", "5"], ["s3://", "got ftp://"]),
        (["benchmark", "cifar11"], ["source must exist", "cifar10"]),
        (
            ["benchmark", "{tmp}", "--methods", "tak"],
            ["the nearest are ", "tac", "`sortal methods`"],
        ),
        (["sql", "SELECT 1", "-w", "{tmp}/none"], ["no runs", "sortal cluster"]),
        (["runs", "-w", "{tmp}/none"], ["no runs", "sortal cluster"]),
        (["report", "-w", "{tmp}/none"], ["no runs", "sortal cluster"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(tmp_path: Path, arguments, words):
    done = sortal(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("sortal: ")]
    assert all(word in line for word in words), line
    assert "Traceback" not in done.stderr


def test_ready_made_vectors_are_a_source_by_the_word_that_the_benchmark_takes(clip: Path):
    """`vectors:DIR` is the run of DIR with that encoder."""
    words = ["-k", "3", "--dry-run", "--json", "-w", str(clip.parent / "workspace")]
    short = sortal("cluster", f"vectors:{clip}", *words)
    long = sortal("cluster", str(clip), "--encoder", f"vectors:{clip}", *words)
    assert short.returncode == long.returncode == 0, short.stderr + long.stderr
    plan = json.loads(short.stdout)
    assert plan == json.loads(long.stdout) and plan["images"]["n_ok"] == 500
    other = sortal("cluster", f"vectors:{clip}", "--encoder", "conse", *words)
    assert other.returncode == 2 and "leave --encoder out" in other.stderr


def test_the_module_is_the_program(tmp_path: Path):
    command = [sys.executable, "-m", "sortal", "cluster"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "Usage: sortal cluster" in done.stderr


def test_the_demo_finds_how_many_kinds_there_are(tmp_path):
    config = make_config(demo_config(tmp_path / "things", tmp_path / "workspace"))
    assert config.count.chosen
    assert (config.collection, config.encoder.spec) == ("drawings", "conse")


def test_doctor_finds_what_would_keep_schedules_from_running(tmp_path: Path):
    """The server starts with SQLAlchemy 2.1, and plans no run."""
    code = (
        "from importlib import metadata\n"
        "real = metadata.version\n"
        "metadata.version = lambda name: '2.1.9' if name == 'sqlalchemy' else real(name)\n"
    )
    done = sortal("doctor", "-w", str(tmp_path / "workspace"), code=code + RUN)
    *fine, fix = sorted(done.stdout.splitlines(), key=lambda line: line.startswith("FIX"))
    assert done.returncode == 1 and len(fine) == 9
    assert all(line.startswith("ok ") for line in fine)
    assert "schedules need sqlalchemy 2.0, got 2.1.9; pip install 'sqlalchemy<2.1'" in fix

"""Each line of our log once, for people, for Python and for Prefect's server."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from grown import Collection
from service import Service
from sortal.flows.terminal.logs import log_to_prefect

PYTHON = """
import logging, sys
import prefect
import sortal
{setup}
def work():
    sortal.cluster(sys.argv[1], 3, encoder=sys.argv[1], method="kmeans", workspace=sys.argv[2])
{call}
"""
ROOT_LOGGER = "logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')"
CLI = "import sys; from sortal.flows.cli.app import main; main()"
WAYS = {
    "command": CLI,
    "command with --json": CLI,
    "Python with logging": PYTHON.format(setup=ROOT_LOGGER, call="work()"),
    "a flow of the caller's": PYTHON.format(setup="", call="prefect.flow(work)()"),
}


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Path:
    pets = Collection(tmp_path_factory.mktemp("lines"))
    pets.add(cat=12, dog=12, boat=12)
    pets.write_images()
    return pets.root / "pets"


@pytest.mark.parametrize("way", WAYS)
def test_a_line_is_there_once_and_on_the_server(service: Service, pets: Path, tmp_path: Path, way):
    source, workspace = f"vectors:{pets}", str(tmp_path / "workspace")
    arguments = [source, workspace]
    if way.startswith("command"):
        arguments = ["cluster", source, "-k", "3", "--method", "kmeans", "-w", workspace]
    if way.endswith("--json"):
        arguments += ["--json"]
    done = subprocess.run(
        [sys.executable, "-c", WAYS[way], *arguments], cwd=service.folder, env=service.env,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = f"report at {workspace}"
    assert done.stderr.replace("\n", "").count(page) == (0 if way.endswith("--json") else 1)
    asked = {"logs": {"level": {"ge_": 20}}, "sort": "TIMESTAMP_DESC", "limit": 200}
    read = lambda: [r for r in service.post("/logs/filter", asked) if page in r["message"]]  # noqa: E731
    found = service.wait_for(read)
    assert [row["name"] for row in found] == ["sortal"]


def test_what_others_have_put_on_prefects_logger_is_left_there(monkeypatch):
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import PREFECT_API_URL, temporary_settings

    ours, others, servers = logging.getLogger("sortal"), logging.NullHandler(), APILogHandler()
    monkeypatch.setattr(logging.getLogger("prefect.extra"), "handlers", [others, servers])
    monkeypatch.setattr(ours, "handlers", [])
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4299/api"}):
        log_to_prefect()
    assert ours.handlers == [servers]


def test_a_flows_failure_is_left_to_the_caller_even_where_prefect_sets_levels_anew():
    code = (
        "import logging\n"
        "from sortal.flows.terminal.logs import log_to_terminal\n"
        "log_to_terminal(logging.INFO)\n"
        "from prefect.logging.configuration import setup_logging\n"
        "setup_logging()\n"
        "for name in ('flow_runs', 'task_runs', 'flow_engine'):\n"
        "    logging.getLogger(f'prefect.{name}').error('the failure')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the failure" not in done.stderr

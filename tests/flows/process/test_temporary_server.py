"""The temporary server: one a process, out of reach of Ctrl-C, told in one line where it fails."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prefect.settings import get_current_settings

import sortal
from sortal.flows.process.first_database import (
    SCRIPT,
    is_up_to_date,
    known_revisions,
    make_first_database,
)
from sortal.flows.process.server import _started, begin_server, reach_server
from sortal.flows.process.temporary_server import TemporaryServer
from sortal.storage.processes import descendants
from sortal.tasks.published_progress import has_pages


def test_one_serves_a_process_and_another_comes_when_it_has_died(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    begin_server()()
    first = str(get_current_settings().api.url)
    assert httpx.get(f"{first}/health").status_code == 200
    assert get_current_settings().flows.heartbeat_frequency is None
    assert not has_pages()
    reach_server()
    begin_server()()
    assert str(get_current_settings().api.url) == first

    (pid,) = [
        pid for pid in descendants(os.getpid())
        if b"prefect_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]  # fmt: skip
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    reach_server()
    begin_server()()
    second = str(get_current_settings().api.url)
    assert second != first and httpx.get(f"{second}/health").status_code == 200


def test_the_first_database_is_as_the_installed_prefect_would_make_it_and_no_other_is_touched(
    tmp_path: Path,
):
    revision = SCRIPT.read_text().partition("alembic_version\" VALUES('")[2].partition("'")[0]
    assert known_revisions()[-1] == revision, "python -m sortal.flows.process.first_database"
    (tmp_path / "prefect.db").write_bytes(b"another")
    make_first_database(tmp_path)
    assert (tmp_path / "prefect.db").read_bytes() == b"another"
    make_first_database(tmp_path / "home", "postgresql+asyncpg://host/prefect")
    assert not (tmp_path / "home").exists()
    make_first_database(tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["prefect.db"]


def test_a_database_is_up_to_date_at_the_last_revision_alone(tmp_path: Path):
    assert not is_up_to_date(tmp_path)
    make_first_database(tmp_path)
    assert is_up_to_date(tmp_path)
    assert not is_up_to_date(tmp_path, "postgresql+asyncpg://host/prefect")
    with closing(sqlite3.connect(tmp_path / "prefect.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [known_revisions()[-2]])
        database.commit()
    assert not is_up_to_date(tmp_path)
    (tmp_path / "prefect.db").write_bytes(b"another")
    assert not is_up_to_date(tmp_path)


def test_a_server_whose_database_is_old_migrates_it(tmp_path: Path):
    make_first_database(tmp_path)
    home = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "prefect", "server", "database", "downgrade", "-y"]
    subprocess.run([*command, "-r", known_revisions()[-2]], env=home, check=True)
    assert not is_up_to_date(tmp_path)
    server = _started(home, tmp_path)
    server.wait()
    server.stop()
    assert is_up_to_date(tmp_path)


def test_a_server_that_cannot_start_says_why_in_one_line(tmp_path: Path):
    (tmp_path / "prefect.db").write_bytes(b"no database, but a long text" * 100)
    server = TemporaryServer({**os.environ, "PREFECT_HOME": str(tmp_path)}, 120)
    with pytest.raises(sortal.RunError, match="not a database.*prefect.db away") as caught:
        server.wait()
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_in_time_is_one_line(tmp_path: Path):
    server = TemporaryServer({**os.environ, "PREFECT_HOME": str(tmp_path)}, 0.01)
    with pytest.raises(sortal.RunError, match="within 0.01 s"):
        server.wait()
    server.stop()
    assert not server.lives


def test_the_server_is_not_imported_into_the_process_that_runs_the_flow(tmp_path: Path):
    code = (
        "import sys; from sortal.flows.process.server import begin_server; begin_server()();"
        "import sortal.flows.recluster; print('prefect.server.api.server' in sys.modules)"
    )
    env = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("False\n", "")

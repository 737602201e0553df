"""A real PostgreSQL that is lost at the commit, restarted, full, or not the one that was meant."""

import logging
import os
import subprocess
import sys
import threading
from urllib.parse import urlsplit, urlunsplit

import pytest

from lakes import assignments, count, run_row, tables
from postgres import PASSWORD, database, find
from proxy import Proxy
from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.storage.lake import lease, retry
from sortal.storage.lake.catalogue import CATALOGUE_VARIABLE, without_password
from sortal.storage.lake.lake import Lake


@pytest.fixture
def proxy(server, monkeypatch):
    made = Proxy(database(server))
    monkeypatch.setenv(CATALOGUE_VARIABLE, made.url)
    yield made
    made.close()


def end_backends(server: str, name: str) -> None:
    """End every session of a database, as an administrator does."""
    question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
    command = [find("psql"), "-qtc", f"{question}'{name}'", server]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("moment", ["on_commit", "after_commit"])
def test_a_connection_cut_at_the_commit_publishes_the_run_exactly_once(proxy, workspace, moment):
    with Lake(workspace) as lake:
        lake.publish(run_row(0), tables(run_row(0)))
        setattr(proxy, moment, Proxy.cut)
        assert lake.publish(run_row(1), tables(run_row(1))) == run_row(1)["run_id"]
        assert getattr(proxy, moment) is None
        assert (count(lake, "runs"), count(lake, "assignments")) == (2, 8)


def test_a_backend_ended_at_the_commit_is_no_end_of_the_run(proxy, server, workspace):
    name = urlsplit(proxy.url).path[1:]
    with Lake(workspace) as lake:
        lake.publish(run_row(0), tables(run_row(0)))
        proxy.on_commit = lambda _: end_backends(server, name)
        lake.publish(run_row(1), tables(run_row(1)))
        assert count(lake, "runs") == 2


def test_a_lease_whose_commit_was_not_answered_is_held_and_not_refused_to_its_holder(
    proxy, workspace
):
    with lease.hold(workspace, "cats"):  # makes the table
        pass
    proxy.after_commit = Proxy.cut
    with lease.hold(workspace, "pets") as token:
        assert [(it.collection, it.token) for it in lease.active(workspace)] == [("pets", token)]


def test_a_run_that_waits_says_for_what_and_until_when_and_goes_on(proxy, workspace, caplog):
    caplog.set_level(logging.WARNING, "sortal")

    def lose(_: Proxy) -> None:
        proxy.refuse()
        threading.Timer(2, lambda: setattr(proxy, "refusing", False)).start()

    with Lake(workspace) as lake, retry.patience(600):
        proxy.on_commit = lose
        lake.publish(run_row(0), tables(run_row(0)))
        assert count(lake, "runs") == 1
    (line,) = [it.getMessage() for it in caplog.records if "waits" in it.getMessage()]
    assert f"127.0.0.1:{proxy.port}" in line and "UTC at most" in line
    assert PASSWORD not in line and "s3cret" not in line and "\n" not in line


def test_the_wait_is_said_every_twenty_seconds_and_has_an_end(monkeypatch, caplog):
    """By a clock of our own: a pause takes no time here."""
    caplog.set_level(logging.WARNING, "sortal")
    clock = [1000.0]
    monkeypatch.setattr(retry.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(retry.time, "sleep", lambda it: clock.__setitem__(0, clock[0] + it))

    def away() -> None:
        clock[0] += 0.01
        raise retry.duckdb.IOException("Unable to connect to Postgres: Connection refused")

    with retry.patience(100), pytest.raises(RunError, match="waited 100 s for it") as caught:
        retry.retry(away, "a lake")
    assert not isinstance(caught.value, TransientError)  # no step tries for another ten minutes
    said = [line for line in caplog.messages if line.startswith("the run waits for a lake")]
    assert len(said) == 5
    with pytest.raises(TransientError):
        retry.retry(away, "a lake")


def wrong(server: str, **parts: str) -> str:
    split = urlsplit(server)
    return urlunsplit(split._replace(**parts))


def test_what_stays_wrong_is_one_line_at_once_without_the_password(server, workspace):
    user = "postgres:it%27s%20a%20s3cret%2F%40@"
    cases = {
        wrong(server, path="/nolake"): 'database "nolake" does not exist',
        wrong(server, netloc="postgres:wr0ng-s3cret@"): "password authentication failed",
        wrong(server, netloc=f"{user.replace('postgres', 'nobody')}"): 'for user "nobody"',
        f"postgresql://{user}127.0.0.1:1/lake": "127.0.0.1:1/lake cannot be reached: ",
        f"postgresql://{user}no-such-host.invalid/lake": "could not translate host name",
    }
    for url, words in cases.items():
        with pytest.raises(RunError) as caught:
            Lake(workspace, catalogue=url)
        line = str(caught.value)
        assert words in line and "\n" not in line, line
        assert "s3cret" not in line and line.count("postgresql://") == 1, line
        assert isinstance(caught.value, TransientError) == ("cannot be reached" in line)


@pytest.mark.parametrize("place", ["host:99999/lake", "host:port/lake", "[::1/lake"])
def test_what_is_no_url_is_one_line_without_the_password(workspace, place):
    with pytest.raises(UsageError, match="catalogue must be postgresql://") as caught:
        Lake(workspace, catalogue=f"postgresql://me:s3cret@{place}")
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_password_in_the_query_of_the_url_is_not_shown():
    url = "postgresql://me:a@h:1/lake?password=b&sslmode=require&sslpassword=c"
    assert without_password(url) == "postgresql://me@h:1/lake?sslmode=require"


def test_a_command_says_so_before_anything_heavy_is_loaded(server, workspace, tmp_path):
    code = (
        "import sys; from sortal.flows.cli.app import app\n"
        f"try: app(['cluster', {str(tmp_path)!r}, '-k', '2', '--workspace', 'w'])\n"
        "except BaseException as error: print(type(error).__name__, error)\n"
        "print(sorted({'torch', 'prefect'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, CATALOGUE_VARIABLE: wrong(server, path="/nolake")},
    )  # fmt: skip
    line, loaded = done.stdout.splitlines()
    assert line.startswith("RunError postgresql://") and line.count("nolake") == 2, done
    assert loaded == "[]" and not (tmp_path / "w").exists()


def test_a_full_server_is_waited_for(server, workspace, monkeypatch):
    role = "CREATE ROLE guest LOGIN PASSWORD 'guest' CONNECTION LIMIT 1"
    subprocess.run([find("psql"), "-qc", role, server], check=True)
    guest = wrong(server, netloc="guest:guest@")
    monkeypatch.setenv(CATALOGUE_VARIABLE, guest)
    other = subprocess.Popen([find("psql"), guest], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdin.write(b"SELECT 'here';\n")
    other.stdin.flush()
    assert any(b"here" in line for line in other.stdout)
    full = subprocess.run([find("psql"), guest], capture_output=True, text=True, check=False)
    assert "too many connections" in full.stderr
    threading.Timer(1.5, other.communicate).start()
    lease.check_reachable(workspace)
    assert other.wait(10) == 0


def test_a_held_lease_says_when_its_holder_was_last_seen_and_that_it_may_be_dead():
    held = lease.Lease("pets", "a run (process 7 on elsewhere)", "m", 7, "b", "t", 60.0, 1060.0)
    line = lease._refusal(held, 1045.0)
    assert "last seen 45 s ago, at 00:16:40 UTC" in line
    assert "may be dead, and its lease ends 15 s from now, at 00:17:40 UTC" in line
    assert "\n" not in line


def test_a_lake_whose_data_file_is_missing_says_which_in_one_line(workspace):
    row = run_row(0)
    many = assignments(row, [str(path) for path in range(100)], [0] * 100)
    with Lake(workspace) as lake:
        lake.publish(row, tables(row) | {"assignments": many})
        (file,) = (workspace.lake / "data/main/assignments").rglob("*.parquet")
        file.unlink()
        with pytest.raises(RunError, match="one is missing: .*verify") as caught:
            lake.query("FROM assignments")
    assert file.name in str(caught.value) and "\n" not in str(caught.value)

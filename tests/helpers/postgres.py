"""A real PostgreSQL server for tests, where PostgreSQL is installed."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

PASSWORD = "it's a s3cret/@"
USER = "postgres"


def find(program: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(program, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"PostgreSQL's {program} is not installed")
    return found


def unprivileged(*command: str) -> None:
    """Run as another user when root, as whom the server refuses to run."""
    prefix = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if prefix and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root and runuser is not installed")
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A URL of a server that listens only on a socket in a temporary folder."""
    initdb, control = find("initdb"), find("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # short: a socket's path is limited
        folder = Path(name)
        folder.chmod(0o777)
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = folder / "data"
        unprivileged(
            *(initdb, "-D", str(data), "-U", USER, "-A", "scram-sha-256"),
            *(f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync"),
        )
        options = f"-c listen_addresses='' -k {folder} -c fsync=off"
        at = ("-D", str(data), "-w", "-s")
        unprivileged(control, *at, "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}:it%27s%20a%20s3cret%2F%40@/postgres?host={folder}"
        finally:
            unprivileged(control, *at, "-m", "immediate", "stop")


def database(server: str) -> str:
    """The URL of a new, empty database on the server."""
    name = f"lake_{uuid.uuid4().hex[:12]}"
    subprocess.run([find("psql"), "-qc", f"CREATE DATABASE {name}", server], check=True)
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))

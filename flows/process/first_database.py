"""Prefect's database, made at once where there is none yet.

Its migrations take 7 s of processor time of everybody's first run. `first_database.sql` is what
they leave, written by `python -m sortal.flows.process.first_database`; a newer Prefect applies what
it has beyond the revision in it.
"""

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

SCRIPT = Path(__file__).with_suffix(".sql")
_REVISION = re.compile(r"INSERT INTO \"alembic_version\" VALUES\('(\w+)'\)")
_LINKS = re.compile(r"^(down_)?revision(?:: str)? = ['\"](\w+)['\"]", re.MULTILINE)
_NAME = "prefect.db"
AS_IT_IS = {"PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false"}  # of a server that need not look


def make_first_database(home: Path, url: str | None = None) -> None:
    """Make the database of a Prefect with this home, unless it has one or `url` says another."""
    place = home / _NAME
    is_usual = url in (None, f"sqlite+aiosqlite:///{place}")
    if is_usual and not place.exists() and _revision() in known_revisions():
        with suppress(OSError):  # Prefect says what is wrong with the folder
            _write(place)


def is_up_to_date(home: Path, url: str | None = None) -> bool:
    """Whether the database of a Prefect with this home is at the installed Prefect's last revision.

    Prefect itself loads a hundred migrations to find that out. False where `url` says another.
    """
    place = home / _NAME
    if url not in (None, f"sqlite+aiosqlite:///{place}"):
        return False
    try:
        with closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    links = [_LINKS.findall(path.read_text(encoding="utf-8")) for path in _migrations()]
    known = {name for each in links for down, name in each if not down}
    last = known - {name for each in links for down, name in each if down}
    return len(known) == len(links) and len(last) == 1 and found == [(last.pop(),)]


def _write(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".first-") as folder:
        made = Path(folder) / _NAME
        with closing(sqlite3.connect(made)) as database:
            database.execute("PRAGMA journal_mode = wal")
            database.executescript(SCRIPT.read_text(encoding="utf-8"))
        os.link(made, place)  # never over one that another process has made meanwhile


def _revision() -> str:
    """The revision that SCRIPT ends with."""
    found = _REVISION.search(SCRIPT.read_text(encoding="utf-8"))
    return found[1] if found else ""


def known_revisions() -> list[str]:
    """The revisions that the installed Prefect can go on from, the newest last."""
    return [path.stem.split("_")[4] for path in _migrations()]


def _migrations() -> list[Path]:
    found = find_spec("prefect")  # which imports nothing
    package = Path(found.origin if found and found.origin else "").parent
    return sorted((package / "server/database/_migrations/versions/sqlite").glob("[0-9]*.py"))


def write_script() -> None:
    """Write SCRIPT anew, by the migrations of the installed Prefect."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        subprocess.run(command, env={**os.environ, "PREFECT_HOME": home}, check=True)
        with closing(sqlite3.connect(Path(home) / _NAME)) as database:
            SCRIPT.write_text("\n".join(database.iterdump()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_script()

"""The lake's catalogue: which database keeps it, and where its data files are.

A SQLite file in the workspace by default; a PostgreSQL URL for teams, who share the data files.
The environment is read here and nowhere else.
"""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from sortal.configs.errors import UsageError
from sortal.storage.atomic import temporary
from sortal.storage.hashing import hash_text
from sortal.storage.objects.data_folder import as_duckdb_has_it
from sortal.storage.workspace import Workspace

CATALOGUE_VARIABLE = "SORTAL_CATALOGUE"
DATA_VARIABLE = "SORTAL_LAKE_DATA"


@dataclass(frozen=True)
class Catalogue:
    """Where a workspace's lake keeps its tables' catalogue, its leases and its data files.

    `url` is a PostgreSQL URL, or None for SQLite files in the workspace. `given_data` is the folder
    of a PostgreSQL catalogue's data files, or their `s3://` URL, where the environment names one.
    """

    workspace: Workspace
    url: str | None = field(default=None, repr=False)  # it holds a password
    given_data: str | None = None

    @classmethod
    def configured(cls, workspace: Workspace, url: str | None = None) -> "Catalogue":
        """The catalogue of `workspace` (made absolute): at `url`, else as the environment says.

        Raises UsageError for a URL that is not PostgreSQL's.
        """
        url = url or os.environ.get(CATALOGUE_VARIABLE) or None
        scheme = _scheme(url) if url else None
        if url and scheme not in ("postgresql", "postgres"):
            raise UsageError(
                f"catalogue must be a postgresql:// URL, got {scheme or 'no scheme'}; "
                "leave it out for SQLite"
            )
        data = os.environ.get(DATA_VARIABLE) or None
        if data and "://" in data and not url:
            raise UsageError(
                f"{DATA_VARIABLE} that is a URL needs a catalogue in PostgreSQL; set "
                f"{CATALOGUE_VARIABLE}, or unset {DATA_VARIABLE}"
            )
        place = Workspace(workspace.root.resolve(), workspace.objects)
        return cls(place, url, data if url else None)

    @property
    def is_postgres(self) -> bool:
        """Whether the catalogue is in PostgreSQL, and may be shared with other workspaces."""
        return self.url is not None

    @property
    def name(self) -> str:
        """What it is called in messages: the workspace, or the URL without its password."""
        return without_password(self.url) if self.url else f"the workspace {self.workspace.root}"

    @property
    def file(self) -> Path:
        """The SQLite catalogue."""
        return self.workspace.lake / "catalog.sqlite"

    @property
    def leases(self) -> Path:
        """The SQLite file of the leases."""
        return self.workspace.lake / "leases.sqlite"

    @property
    def data(self) -> str:
        """The folder of the data files of a lake made here and now, with a slash at its end.

        A lake that is there may have another, which its catalogue remembers. PostgreSQL's is not
        `data/`: those files are of the SQLite catalogue, and would be orphans to this one.
        """
        if self.url is None:
            return f"{self.workspace.lake}/data/"
        place, _ = split_password(self.url)
        folder = self.given_data or f"{self.workspace.lake}/data-{hash_text(place)[:8]}"
        return f"{as_duckdb_has_it(folder).rstrip('/')}/"

    def spill(self, read_only: bool) -> Path:
        """A folder for what DuckDB spills; a reader makes none in a workspace without a lake."""
        here = not read_only or self.workspace.lake.is_dir()
        return temporary((self.workspace.lake if here else Path(tempfile.gettempdir())) / "spill")

    def require(self) -> None:
        """Raise UsageError where there can be no lake to read. Makes nothing."""
        if not self.is_postgres and not (self.workspace.is_there() and self.file.exists()):
            raise self.workspace.no_runs()

    def exists(self) -> bool:
        """Whether there may be a lake to read: PostgreSQL is asked only when it is attached."""
        return self.is_postgres or self.file.exists()


def _scheme(url: str) -> str:
    """A URL's scheme; raises UsageError for one that cannot be taken apart."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError as error:
        raise UsageError(
            f"catalogue must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE, got one that is "
            f"no URL: {error}"
        ) from None
    return parts.scheme


def split_password(url: str) -> tuple[str, str]:
    """A PostgreSQL URL as libpq's `key='value'` words without the password, and the password."""
    parts = urlsplit(url)
    words = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username) if parts.username else None,
        "dbname": unquote(parts.path.lstrip("/")) or None,
        **dict(parse_qsl(parts.query)),
    }
    password = words.pop("password", None) or unquote(parts.password or "")
    return " ".join(
        f"{key}={libpq_word(str(value))}" for key, value in words.items() if value
    ), str(password)


def without_password(url: str) -> str:
    """A PostgreSQL URL as it may be shown."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    pairs = parts.query.split("&")
    shown = [pair for pair in pairs if pair and "password" not in pair.partition("=")[0]]
    netloc = f"{user.split(':')[0]}@{place}" if user else place
    return urlunsplit((parts.scheme, netloc, parts.path, "&".join(shown), ""))


def libpq_word(value: str) -> str:
    """`value` quoted as libpq's connection strings want it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

"""The lake's catalogue: which database keeps it, and how DuckDB attaches it.

A SQLite file in the workspace by default; a PostgreSQL URL for teams, who share the data files.
"""

import atexit
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from sortal.configs.errors import RunError, UsageError
from sortal.storage.hashing import hash_text
from sortal.storage.workspace import Workspace

CATALOGUE_VARIABLE = "SORTAL_CATALOGUE"
DATA_VARIABLE = "SORTAL_LAKE_DATA"
LAKE = "lake"
_SECRET = "sortal_catalogue"
_BUSY_MS = 10_000
_LOCKS = "-c lock_timeout=1000"  # ms; a lease that is locked for longer is asked for again


def catalogue_of(catalogue: str | None) -> str | None:
    """The PostgreSQL URL in use (argument, else SORTAL_CATALOGUE); None means SQLite."""
    url = catalogue or os.environ.get(CATALOGUE_VARIABLE) or None
    if url and urlsplit(url).scheme not in ("postgresql", "postgres"):
        scheme = urlsplit(url).scheme or "no scheme"
        raise UsageError(
            f"catalogue must be a postgresql:// URL, got {scheme}; leave it out for SQLite"
        )
    return url


def attach(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, url: str | None, read_only: bool
) -> None:
    """Attach the workspace's lake as `lake` and make it the default database."""
    if url:
        _attach_postgres(connection, workspace, url, read_only)
    else:
        _attach_sqlite(connection, workspace, read_only)
    connection.execute(f"USE {LAKE}")


def attach_leases(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, url: str | None
) -> None:
    """Attach the database of the leases as `leases`: PostgreSQL's own, else a file of its own.

    SQLite has one writer a file: renewals in the catalogue's would undo commits under way.
    """
    if url:
        load_extension(connection, "postgres_scanner")
        place, secret = _postgres(connection, url)
        place += f" options={_word(_LOCKS)}" if " options=" not in place else ""
        options = f"TYPE postgres{f', SECRET {secret}' if secret else ''}"
    else:
        _load_sqlite(connection)
        workspace.lake.mkdir(parents=True, exist_ok=True)
        place, options = str(workspace.lake / "leases.sqlite"), "TYPE sqlite"
    connection.execute(f"ATTACH {literal(place)} AS leases ({options})")


def _attach_sqlite(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, read_only: bool
) -> None:
    catalog = workspace.lake / "catalog.sqlite"
    if read_only and not catalog.exists():
        raise UsageError(
            f"no runs in the workspace {workspace.root}; make one with `sortal cluster`"
        )
    workspace.lake.mkdir(parents=True, exist_ok=True)
    _load_sqlite(connection)
    load_extension(connection, "ducklake")
    # WAL: without it a reader's open transaction keeps writers from committing.
    journal = "" if read_only else ", META_JOURNAL_MODE 'WAL'"
    options = f"OVERRIDE_DATA_PATH true, META_BUSY_TIMEOUT {_BUSY_MS}{journal}"
    place = _readable(catalog) if read_only else catalog
    _attach(connection, f"sqlite:{place}", f"{workspace.lake}/data/", options, read_only)


def _load_sqlite(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extension; a table is read in one piece, by the transaction's own connection.

    Its threads each open another, which sees what others have committed since: a transaction
    would find rows by places that are no longer theirs, and see none. It is faster, too.
    """
    load_extension(connection, "sqlite_scanner")
    connection.execute("SET GLOBAL sqlite_disable_multithreaded_scans = true")


def _readable(catalog: Path) -> Path:
    """The catalogue, or a copy of it when its folder is read-only: a WAL needs files beside it."""
    if os.access(catalog.parent, os.W_OK):
        return catalog
    folder = Path(tempfile.mkdtemp(prefix="sortal-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for file in (catalog, catalog.with_name(f"{catalog.name}-wal")):
        if file.exists():
            shutil.copy(file, folder)
    return folder / catalog.name


def _attach_postgres(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, url: str, read_only: bool
) -> None:
    load_extension(connection, "postgres_scanner")
    load_extension(connection, "ducklake")
    place, secret = _postgres(connection, url)
    options = f"META_SECRET {literal(secret)}" if secret else ""
    given = os.environ.get(DATA_VARIABLE)
    if given:
        options = ", ".join(filter(None, ["OVERRIDE_DATA_PATH true", options]))
    # Not `data/`: those files are of the SQLite catalogue, and would be orphans to this one.
    data = given or f"{workspace.lake}/data-{hash_text(place)[:8]}"
    if given and not Path(given).is_dir():
        raise UsageError(f"{DATA_VARIABLE} must be a folder that exists, got {given}; mount it")
    _attach(connection, f"postgres:{place}", f"{data.rstrip('/')}/", options, read_only)
    _check_data(connection)


def data_folder(connection: duckdb.DuckDBPyConnection) -> str:
    """Where the attached lake keeps its data files, with a slash at the end."""
    found = connection.execute(f"SELECT data_path FROM ducklake_settings('{LAKE}')").fetchone()
    return f"{str((found or ('',))[0]).rstrip('/')}/"


def _check_data(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a folder that is not where the files are: a share that is not mounted, another one."""
    folder = data_folder(connection)
    first = f"SELECT 1 FROM __ducklake_metadata_{LAKE}.ducklake_data_file LIMIT 1"
    if (Path(folder) / "main").is_dir() or not connection.execute(first).fetchone():
        return
    raise UsageError(
        f"the lake's data files must be in {folder}, which has none; mount the folder there, or "
        f"set {DATA_VARIABLE} to where this machine sees it"
    )


def _postgres(connection: duckdb.DuckDBPyConnection, url: str) -> tuple[str, str]:
    """libpq's words for a URL, and the name of the secret that holds its password, if any."""
    place, password = split_password(url)
    if not password:
        return place, ""
    connection.execute(f"CREATE SECRET {_SECRET} (TYPE postgres, PASSWORD {literal(password)})")
    return place, _SECRET


def _attach(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    folder: str,
    options: str,
    read_only: bool,
) -> None:
    data = f"DATA_PATH {literal(folder)}"
    mode = "READ_ONLY" if read_only else ""
    clause = ", ".join(option for option in (data, options, mode) if option)
    try:
        connection.execute(f"ATTACH {literal(f'ducklake:{target}')} AS {LAKE} ({clause})")
    except duckdb.Error as error:
        if read_only and "creating a new DuckLake is explicitly disabled" in str(error):
            raise UsageError(
                "the lake is being made and holds no runs yet; try again in a moment"
            ) from error
        if "does not match existing data path" not in str(error):
            raise
        clause = clause.removeprefix(data).removeprefix(", ")
        options = f" ({clause})" if clause else ""
        connection.execute(f"ATTACH {literal(f'ducklake:{target}')} AS {LAKE}{options}")


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
    return " ".join(f"{key}={_word(str(value))}" for key, value in words.items() if value), str(
        password
    )


def _word(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def literal(value: str) -> str:
    """`value` as an SQL string literal, for the statements that take no bound values."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def connect() -> duckdb.DuckDBPyConnection:
    """An empty DuckDB that can load the extensions.

    Checking two signatures takes 0.3 s of every command's start. Extensions that pip installed
    beside DuckDB itself are trusted as it is; any others must be signed. Users' SQL can load
    none (`Lake.confine`).
    """
    trusted = all(_packaged(name) for name in ("sqlite_scanner", "ducklake"))
    return duckdb.connect(":memory:", config={"allow_unsigned_extensions": str(trusted).lower()})


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load a DuckDB extension from its Python package, else from DuckDB's own repository."""
    path = _packaged(name)
    if path is not None:
        connection.execute(f"LOAD {literal(str(path))}")
        return
    try:
        connection.execute(f"INSTALL {name}; LOAD {name}")
    except duckdb.Error as error:
        package = f"duckdb-extension-{name.replace('_', '-')}"
        raise RunError(
            f"DuckDB's extension {name} is missing; pip install {package}=={duckdb.__version__}"
        ) from error


def _packaged(name: str) -> Path | None:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"
        if (path := Path(folder) / file).exists():
            return path
    return None

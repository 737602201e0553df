"""DuckDB with its extensions, which come as Python packages, so that nothing is downloaded."""

import importlib.util
from pathlib import Path

import duckdb

from sortal.configs.errors import RunError
from sortal.storage.lake.sql import literal

SMALL = 32 * 2**20  # bytes


def connect() -> duckdb.DuckDBPyConnection:
    """An empty DuckDB that can load the extensions.

    Checking two signatures takes 0.3 s of every command's start. Extensions that pip installed
    with DuckDB itself are trusted as it is; any others must be signed. Users' SQL can load
    none (`Lake.confine`). It has one thread until `widen` gives it more.
    """
    trusted = str(all(_packaged(name) for name in ("sqlite_scanner", "ducklake"))).lower()
    return duckdb.connect(":memory:", config={"allow_unsigned_extensions": trusted, "threads": 1})


def widen(connection: duckdb.DuckDBPyConnection, size: int) -> None:
    """Have queries use every core where `size` bytes are read or written, and that pays.

    Below that, waking threads takes longer than the work: a run of 200 images costs 1.8 s of
    processor time with two and 1.3 s with one.
    """
    if size > SMALL:
        connection.execute("RESET threads")


def stored(connection: duckdb.DuckDBPyConnection) -> int:
    """Bytes of the attached lake's data files."""
    found = connection.execute(
        "SELECT sum(file_size_bytes) FROM __ducklake_metadata_lake.ducklake_data_file"
    ).fetchone()
    return int((found or (0,))[0] or 0)


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

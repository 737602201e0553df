"""DuckDB with its extensions, which come as Python packages, so that nothing is downloaded."""

import importlib.util
from pathlib import Path

import duckdb

from sortal.configs.errors import RunError
from sortal.storage.lake.sql import literal


def connect() -> duckdb.DuckDBPyConnection:
    """An empty DuckDB that can load the extensions.

    Checking two signatures takes 0.3 s of every command's start. Extensions that pip installed
    with DuckDB itself are trusted as it is; any others must be signed. Users' SQL can load
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

"""Files of ready-made vectors: which there are, and the columns by which their rows are known."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.configs.errors import UsageError

ROLES = ("images", "nouns", "captions", "texts")
TEXT_ROLES = ("nouns", "captions", "texts")
DESCRIBED = "docs/vectors.md says what is in it"


def files_of(folder: Path, *roles: str) -> list[Path]:
    """The Parquet files of the given roles, in order of role, then of name."""
    if not folder.is_dir():
        raise UsageError(f"vectors:DIR must name a folder, got {folder}; nothing is there")
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() == ".parquet")
    return [path for role in roles for path in files if _role(path) == role]


def _role(path: Path) -> str | None:
    return next((role for role in ROLES if role in path.stem.lower()), None)


def need(folder: Path, *roles: str) -> list[Path]:
    """The Parquet files of the given roles; raises UsageError where there is none."""
    files = files_of(folder, *roles)
    if not files:
        names = " or ".join(f"*{role}*.parquet" for role in roles)
        raise UsageError(f"{folder} must hold a file {names}, got none; {DESCRIBED}")
    return files


def opened(path: Path) -> pq.ParquetFile:
    """A Parquet file, of which only what is read is held; raises UsageError for anything else."""
    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} must be a Parquet file that can be read: {reason}") from error


def columns_of(path: Path, *needed: str) -> list[str]:
    """The columns of a file; raises UsageError where one of the `needed` is not there once."""
    names: list[str] = opened(path).schema_arrow.names
    lacking = [name for name in needed if name not in names]
    if lacking:
        raise UsageError(
            f"{path} must have the columns {', '.join(needed)}; {', '.join(lacking)} is missing,"
            f" it has {', '.join(names)}"
        )
    double = next((name for name in needed if names.count(name) > 1), None)
    if double:
        raise UsageError(f"{path} must have one column {double}, got {names.count(double)}")
    return names


def named_rows(column: pa.ChunkedArray, name: str, path: Path, start: int = 0) -> pa.ChunkedArray:
    """The column `name` as strings, by which the rows from `start` on are known.

    Raises UsageError for a type that is no text or number, and for one that is null, empty, or
    holds a zero byte, which no table of the lake can keep.
    """
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid as error:  # bytes that are no UTF-8
        raise UsageError(f"{path}: {name} must be text or a number: {error}") from error
    except pa.ArrowNotImplementedError as error:
        raise UsageError(f"{path}: {name} must be text or a number, got {column.type}") from error
    wrong = pc.or_(pc.equal(texts, ""), pc.match_substring(texts, "\0"))
    row = pc.index(pc.fill_null(wrong, True), True).as_py()
    if row >= 0:
        raise UsageError(
            f"{path}: {name} must not be null or empty, nor hold a zero byte, as in row "
            f"{start + row}; give every row its own, or leave it out"
        )
    return texts

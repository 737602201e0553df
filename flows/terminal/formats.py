"""Rows as people and programs want them: a table, CSV, JSON or Parquet, streamed but for tables.

A table is drawn by rich on a terminal. Piped it has a plain layout that stays, which programs and
the documentation read.
"""

import csv
import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import duckdb

from sortal.configs.errors import UsageError
from sortal.flows.process.streams import reader_is_gone
from sortal.storage.atomic import atomic_file
from sortal.tasks.shown import shown

FORMATS = ("table", "csv", "json", "parquet")
ROWS_SHOWN = 100
_BATCH = 10_000
_READABLE = 22  # characters of a column: a run's id


def check_format(output: str, file: Path | None) -> None:
    """Refuse an unknown format, and Parquet without a file, before any work."""
    if output not in FORMATS:
        raise UsageError(f"--format must be one of {', '.join(FORMATS)}, got {output}")
    if output == "parquet" and file is None:
        raise UsageError("--format parquet needs --output FILE")
    if file is not None:
        _check_place(file.resolve(), file)


def _check_place(place: Path, file: Path) -> None:
    try:
        if place.is_dir() or not place.parent.is_dir():
            what = "that is a folder" if place.is_dir() else f"there is no folder {place.parent}"
            raise UsageError(f"--output must be a file that can be written, got {file}: {what}")
    except OSError as error:  # a name that no disk takes
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> UsageError:
    reason = error.strerror or error
    return UsageError(f"--output must be a file that can be written, got {file}: {reason}")


def write(answer: duckdb.DuckDBPyConnection, output: str, file: Path | None) -> None:
    """Write an answer in one of FORMATS to `file`, or to stdout; streams all but a table."""
    check_format(output, file)
    if file is None:
        _write_text(answer, output, sys.stdout)
        return
    with _whole(file) as fresh:
        if output == "parquet":
            _write_parquet(answer, fresh)
        else:
            with fresh.open("w", encoding="utf-8", newline="") as stream:
                _write_text(answer, output, stream)


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Where to write what takes the place of `file` once it is whole; a device or pipe itself."""
    place = file.resolve()
    try:
        if place.exists() and not place.is_file():
            yield place
        else:
            with atomic_file(place) as fresh:
                yield fresh
    except OSError as error:
        raise _unwritable(file, error) from error


def _write_text(answer: duckdb.DuckDBPyConnection, output: str, stream: IO[str]) -> None:
    {"table": write_table, "csv": _csv, "json": _json}[output](answer, stream)


def _rows(answer: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while not reader_is_gone() and (batch := answer.fetchmany(_BATCH)):
        yield from batch


def _names(answer: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns' names; one that comes again gets a number, or JSON would lose its values."""
    seen: Counter[str] = Counter()
    names = []
    for name, *_ in answer.description or []:
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def _csv(answer: duckdb.DuckDBPyConnection, stream: IO[str]) -> None:
    """Lists and structs as JSON; pyarrow's writer refuses them."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_names(answer))
    for row in _rows(answer):
        writer.writerow(_plain(value) for value in row)


def _json(answer: duckdb.DuckDBPyConnection, stream: IO[str]) -> None:
    names = _names(answer)
    separator = "["
    escaped = not (getattr(stream, "encoding", None) or "utf").lower().startswith("utf")
    for row in _rows(answer):
        values = _as_json(dict(zip(names, row, strict=True)))
        record = json.dumps(values, default=str, ensure_ascii=escaped)
        stream.write(f"{separator}\n{record}")
        separator = ","
    stream.write("[]\n" if separator == "[" else "\n]\n")


def _plain(value: Any) -> Any:
    nested = isinstance(value, list | dict)
    return json.dumps(_as_json(value), default=str, ensure_ascii=False) if nested else value


def _as_json(value: Any) -> Any:
    """A value as JSON can hold it: no number that is none, and texts as keys."""
    if isinstance(value, dict):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_parquet(answer: duckdb.DuckDBPyConnection, file: Path) -> None:
    import pyarrow.parquet as pq

    batches = answer.to_arrow_reader(_BATCH)
    with pq.ParquetWriter(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def write_table(answer: duckdb.DuckDBPyConnection, stream: IO[str]) -> None:
    """Write the first rows of an answer in columns, numbers to the right."""
    rows = answer.fetchmany(ROWS_SHOWN + 1)
    names = list(map(shown, _names(answer)))
    cells = [[_cell(value) for value in row] for row in rows[:ROWS_SHOWN]]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(names))]
    if stream.isatty() and not _fits(names, cells):
        _by_record(names, cells, stream)
    else:
        draw = _drawn if stream.isatty() else _in_columns
        draw(names, cells, right, stream)
    if len(rows) > ROWS_SHOWN:
        stream.write(f"... only {ROWS_SHOWN} rows are shown; take all with --format csv\n")


def _fits(names: list[str], cells: list[list[str]]) -> bool:
    """Whether every column keeps a width at which it can be read; longer texts are folded."""
    columns = zip(names, *cells, strict=True)
    least = [min(max(map(len, each)), max(len(each[0]), _READABLE)) for each in columns]
    return sum(least) + 2 * len(least) <= shutil.get_terminal_size().columns


def _by_record(names: list[str], cells: list[list[str]], stream: IO[str]) -> None:
    """A line a value, a blank line between rows: for a terminal that is too narrow for columns."""
    width = max(map(len, names), default=0)
    for row in cells:
        stream.writelines(
            f"{name:{width}}  {cell}\n" for name, cell in zip(names, row, strict=True)
        )
        stream.write("\n")


def _drawn(names: list[str], cells: list[list[str]], right: list[bool], stream: IO[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, number in zip(names, right, strict=True):
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=stream).print(table)


def _in_columns(
    names: list[str], cells: list[list[str]], right: list[bool], stream: IO[str]
) -> None:
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    for row in (names, ["-" * width for width in widths], *cells):
        aligned = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, right, strict=True)
        )
        stream.write("  ".join(aligned).rstrip() + "\n")


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    printable = shown(text)
    return printable if len(printable) <= 60 else printable[:59] + "…"

"""Tables as text: comma, semicolon, tab, bar or blanks between columns, with a header or without.

The delimiter is the one that makes most sense of the first rows. Values are read by Arrow, so
fields may be as long as they are; rows with too many or too few fields are read by position.
"""

import csv
import io
import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from sortal.configs.errors import counted
from sortal.tasks.labels.formats.meaning import count_known
from sortal.tasks.labels.formats.table import SAMPLE, Knows, Table

_DELIMITERS = ",;\t|"
_HEAD = 1 << 17  # characters looked at; csv allows fields of so many
_ABOVE = 8  # lines in which a header is looked for
_SHOWN = 60  # characters of a row in a warning
_BLOCK = 1 << 24  # bytes that Arrow takes at a time
_TOLD = re.compile(r"\s*\"?sep=(.)\"?[ \t]*\r?\n", re.IGNORECASE)  # a spreadsheet's first line
_LIST = re.compile(r"^(\S.*?)[ \t]+(\S+)[ \t]*$", re.MULTILINE)  # `path label`


def open_delimited(text: str, knows: Knows, is_list: bool = False) -> Table:
    """The table that a text is; `is_list` allows blanks between columns. Raises ValueError."""
    whole = text
    told = _TOLD.match(text)
    text = text[told.end() :] if told else text
    delimiter = told[1] if told else _delimiter(text, knows)
    text = _from_header(text, delimiter, knows)
    rows = _first_rows(text, delimiter)
    quoted = not _has_bare_quotes(text, delimiter)
    if not quoted:
        rows = _first_rows(text, delimiter, quoted)
    if is_list and not told and not knows(_cells(rows)):
        text, delimiter = _LIST.sub("\\1\t\\2", text), "\t"
        rows = _first_rows(text, delimiter)
    if not rows:
        raise ValueError("it is empty")
    has_header = not knows(rows[0])
    width = max(len(row) for row in rows)
    lost: list[str] = []

    def read(columns: list[int]) -> list[pa.Array]:
        table, short = _whole(text, delimiter, columns, quoted)
        lost[:] = [_told(short, whole, width)] if short else []
        found = [table.column(i).combine_chunks() for i in range(len(columns))]
        return [column.slice(1) if has_header else column for column in found]

    names = [*rows[0], *[""] * (width - len(rows[0]))] if has_header else None
    return Table(names, rows[1:] if has_header else rows, read, lambda: lost[0] if lost else None)


def _told(short: list[str], text: str, width: int) -> str:
    """What is wrong with rows that are too short, where the first of them is, and what to do."""
    has, are = ("has", "is") if len(short) == 1 else ("have", "are")
    row = short[0].strip("\r\n")
    place = text.find(f"\n{row}") + 1
    line = f"line {text.count(chr(10), 0, place) + 1:,}, " if place else ""
    such = "" if len(short) == 1 else "such as "
    return (
        f"{counted(len(short), 'row')} {has} too few fields and {are} not read, {such}{line}"
        f"{row[:_SHOWN]!r}; give each row its {width:,} fields"
    )


def _delimiter(text: str, knows: Knows) -> str:
    return max(_DELIMITERS, key=lambda each: _score(_first_rows(text, each), knows))


def _score(rows: list[list[str]], knows: Knows) -> tuple[float, ...]:
    """How much sense rows make: known column names and paths, an even width, many columns."""
    if not rows:
        return (0.0,)
    width = len(rows[0])
    known = max(map(count_known, rows[:_ABOVE]))
    even = sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0
    paths = knows(_cells(rows[:50])) > 0
    return (known + 2 * paths, even, width)


def _from_header(text: str, delimiter: str, knows: Knows) -> str:
    """The text without remarks and a title above its header."""
    start = 0
    for line in text[:_HEAD].splitlines(keepends=True)[:_ABOVE]:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if knows(cells):
            break
        if count_known(cells) > 1:
            return text[start:]
        start += len(line)
    return text


def _cells(rows: list[list[str]]) -> list[str]:
    return [cell for row in rows for cell in row]


def _has_bare_quotes(text: str, delimiter: str) -> bool:
    """Whether quotes are marks like others (`5" disk`): lines are even only where they are."""
    lines = [line for line in text[:_HEAD].splitlines()[:SAMPLE] if line.strip()][:-1]
    odd = any(line.count('"') % 2 for line in lines)
    return odd and len({line.count(delimiter) for line in lines}) == 1


def _first_rows(text: str, delimiter: str, quoted: bool = True) -> list[list[str]]:
    head = text[:_HEAD]
    lines = io.StringIO(head, newline="")
    if quoted:
        reader = csv.reader(lines, delimiter=delimiter)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if any(row):
                rows.append(row)
            if len(rows) > SAMPLE:
                break
    except csv.Error:
        pass  # what came before it says enough
    return rows[:-1] if len(text) > _HEAD and len(rows) in range(2, SAMPLE) else rows


def _whole(
    text: str, delimiter: str, columns: list[int], quoted: bool
) -> tuple[pa.Table, list[str]]:
    """The columns as strings, header included, and how many rows were too short for them."""
    data = text.encode("utf-8", "replace")
    for block in (_BLOCK, len(data) + 1) if quoted else ():
        odd: list[str] = []
        try:
            found = _arrow(data, delimiter, columns, block, odd)
        except pa.ArrowInvalid:
            continue
        if _has_breaks(found):  # a quote that was never closed
            break
        extra, lost = _by_position(odd, delimiter, columns)
        return pa.concat_tables([found.rename_columns(extra.column_names), extra]), lost
    return _slowly(text, delimiter, columns)


def _has_breaks(table: pa.Table) -> bool:
    return any(pc.any(pc.match_substring(each, "\n")).as_py() for each in table.columns)


def _arrow(data: bytes, delimiter: str, columns: list[int], block: int, odd: list[str]) -> pa.Table:
    """Columns of the rows with as many fields as the first; the other rows go to `odd`."""

    def keep(row: arrow_csv.InvalidRow) -> str:
        odd.append(row.text)
        return "skip"

    wanted = [f"f{n}" for n in columns]
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        arrow_csv.ReadOptions(autogenerate_column_names=True, block_size=block, use_threads=False),
        arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep
        ),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()),
            include_columns=wanted,
            include_missing_columns=True,
            strings_can_be_null=False,
        ),
    )


def _by_position(
    lines: list[str], delimiter: str, columns: list[int]
) -> tuple[pa.Table, list[str]]:
    """Columns of rows with more or fewer fields than the first; the rows that are too short."""
    rows = [
        next(csv.reader([line], delimiter=delimiter), []) for line in lines if len(line) < _HEAD
    ]
    return _picked(rows, columns), _short(rows, columns, delimiter)


def _short(rows: list[list[str]], columns: list[int], delimiter: str) -> list[str]:
    return [delimiter.join(row) for row in rows if len(row) <= max(columns)]


def _slowly(text: str, delimiter: str, columns: list[int]) -> tuple[pa.Table, list[str]]:
    """The same line by line, for what Arrow refuses, such as a quote that is never closed."""
    lines = [line for line in text.splitlines() if line.strip() and len(line) < _HEAD]
    reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    rows = [[cell.strip('"') for cell in row] for row in reader]
    return _picked(rows, columns), _short(rows, columns, delimiter)


def _picked(rows: list[list[str]], columns: list[int]) -> pa.Table:
    whole = [row for row in rows if len(row) > max(columns)]
    arrays = [pa.array([row[n] for row in whole], pa.string()) for n in columns]
    return pa.table(arrays, names=[str(n) for n in range(len(columns))])

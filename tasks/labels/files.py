"""Which files tell about images: tables and sidecars, by their names."""

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
COLUMNAR = (".parquet", ".pq", ".parq", ".arrow", ".feather", ".ipc")
SPREADSHEETS = (".xlsx", ".xls", ".ods")  # never read: a warning says so
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", *COLUMNAR, *SPREADSHEETS)
SIDECARS = (".cls", ".index", ".json", ".txt")


def is_text(path: str, column: str | None = None) -> bool:
    """Whether a file that is no image may tell about images: a table, or a text beside one.

    With `column`, also a text whose name ends so (`12.caption`). Hidden files never do.
    """
    name = path.rpartition("/")[2].lower()
    if name.startswith("."):
        return False
    return name in METADATA or name.endswith((*TABLES, *SIDECARS, *_ending(column)))


def _ending(column: str | None) -> tuple[str, ...]:
    return (f".{column.lower()}",) if column else ()

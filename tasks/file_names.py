"""Names of files: as a table can hold them, and whether they stay inside their root."""

from pathlib import PurePosixPath

from sortal.tasks.errors import Code


def printable(name: str) -> tuple[str, str | None]:
    r"""`name` as UTF-8 text, with other bytes written as \xNN, and `bad_name` if there were any."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        escaped = name.encode("utf-8", "backslashreplace").decode("utf-8")
        return escaped.replace("\\udc", "\\x"), Code.BAD_NAME.value
    return name, None


def climbs_out(path: str) -> bool:
    """Whether a relative name is absolute or climbs above its root."""
    parts = PurePosixPath(path).parts
    return path.startswith("/") or ".." in parts

"""The place of a source: the same text however the source is written, links followed."""

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from sortal.configs.errors import expanded
from sortal.configs.remote import URLS
from sortal.storage.hashing import hash_text
from sortal.storage.workspace import Workspace

INSIDE = "<workspace>/"  # what the place of a source in the workspace begins with: it moves with it
_SECRET = re.compile(
    r"x-(amz|goog)-.*|.*(token|signature|secret|password|key|credential)"
    r"|(sig|se|sp|sv|sr|st|spr|srt|ss)",  # the last ones are Azure's
    re.IGNORECASE,
)


def place_of(source: str, workspace: Workspace) -> str:
    """A resolved path, `<workspace>/` and a path in it, or a URL without credentials."""
    if source.startswith(URLS):  # a table of URLs is where it lies
        return URLS + place_of(source.removeprefix(URLS), workspace)
    url = urlsplit(source)
    if "://" in source and url.scheme.lower() != "file":
        return _address(source)
    path = expanded(unquote(url.path) if "://" in source else source).resolve()
    root = workspace.root.resolve()
    inside = path.is_relative_to(root) and path != root
    return f"{INSIDE}{path.relative_to(root).as_posix()}" if inside else str(path)


def _address(source: str) -> str:
    url = urlsplit(source)
    query = [item for item in parse_qsl(url.query) if not _SECRET.fullmatch(item[0])]
    asked = f"?{urlencode(query)}" if query else ""
    host = url.netloc.rpartition("@")[2]  # of s3:// a bucket, whose case may count
    host = host.lower() if url.scheme.lower() in ("http", "https") else host
    return f"{url.scheme.lower()}://{host}{unquote(url.path).rstrip('/')}{asked}"


def source_at(place: str, workspace: Workspace) -> str:
    """A place as a source that can be opened."""
    if place.startswith(URLS):
        return URLS + source_at(place.removeprefix(URLS), workspace)
    inside = place.startswith(INSIDE)
    return str(workspace.root / place.removeprefix(INSIDE)) if inside else place


def is_same(first: str, second: str, workspace: Workspace) -> bool:
    """Whether two places are one."""
    if first == second:
        return True
    with suppress(OSError):  # a file system that ignores case, or shows a folder at two places
        return Path(source_at(first, workspace)).samefile(source_at(second, workspace))
    return False


def was_at(source: str, place: str, workspace: Workspace) -> bool:
    """Whether `source`, as versions before 2026-11-28 recorded it, was at `place`.

    A relative one was so only where the workspace has scanned that place, if it has scanned any, or
    where its vectors are: nobody wrote down what it was relative to.
    """
    if place.startswith(INSIDE) and source.endswith(f"/{place.removeprefix(INSIDE)}"):
        return True  # the workspace may have moved since
    same = is_same(place_of(source, workspace), place, workspace)
    if "://" in source or expanded(source).is_absolute():
        return same
    here, parts = Path(source_at(place, workspace)), Path(source).parts
    if same and (not _scans(workspace).exists() or any(here.glob("*images*.parquet"))):
        return True
    ends_alike = ".." not in parts and here.parts[len(here.parts) - len(parts) :] == parts
    scanned = (_scans(workspace) / f"{hash_text(str(here))}.parquet").exists()
    return (same or ends_alike) and scanned


def _scans(workspace: Workspace) -> Path:
    return workspace.root / "scans"

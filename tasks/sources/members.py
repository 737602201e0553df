"""From an input's path to the container that it is a member of."""

import threading
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from sortal.tasks.containers.base import Columns, Container, Opener
from sortal.tasks.containers.registry import kind_by_name
from sortal.tasks.errors import Code, ImageError
from sortal.tasks.places.base import Place
from sortal.tasks.places.rules import Rules
from sortal.tasks.sources.kinds import Role, role_of
from sortal.tasks.sources.openers import FileOpener, MemberOpener, kind_of_container

_here = threading.local()
_GONE = "its archive is gone since it was listed"


class Home(NamedTuple):
    """The container of a member, and the member's path in it."""

    container: Container
    opener: Opener
    path: str


def home_of(place: Place, alone: bool, path: str) -> Home:
    """Where the member at `path` is; raises ImageError where its container is gone."""
    opener = _outer(place, alone, path)
    container = _container(opener)
    inner = path if alone and container.holds_files else path.removeprefix(f"{opener.path}/")
    if container.holds_files and any(map(kind_by_name, inner.split("/")[:-1])):
        for name, nested in _nested(container, opener).items():
            if inner.startswith(f"{name}/"):
                return Home(_container(nested), nested, inner.removeprefix(f"{name}/"))
    return Home(container, opener, inner)


def reading_order(path: str, offset: int | None) -> tuple[str, int]:
    """A key that sorts inputs as they are read fastest: a container from its start to its end."""
    parts = path.split("/")
    inside = next((n for n, part in enumerate(parts[:-1], 1) if kind_by_name(part)), None)
    if offset is None:
        return path, 0
    return "/".join(parts[:inside]) if inside else "", offset


def _container(opener: Opener) -> Container:
    kind = kind_of_container(opener)
    if kind is None:
        raise ImageError(Code.MISSING, _GONE)
    return kind.container


def _outer(place: Place, alone: bool, path: str) -> FileOpener:
    """The file of the place that `path` begins with: folders may be named like archives too."""
    last: tuple[Place, str] | None = getattr(_here, "last", None)
    if last and last[0] == place and path.startswith(f"{last[1]}/"):
        file = place.file(last[1])
        if not file.error_code:
            return FileOpener.of(place, file)
    for name in _candidates(place, alone, path):
        file = place.file(name)
        if not file.error_code:
            _here.last = (place, name)
            return FileOpener.of(place, file)
        if file.error_code == Code.OUTSIDE_ROOT:  # links may have changed since
            raise ImageError(file.error_code)
    raise ImageError(Code.MISSING, _GONE)


def _candidates(place: Place, alone: bool, path: str) -> list[str]:
    if alone:
        return [_only_name(place)]
    parts = path.split("/")
    heads = ["/".join(parts[:n]) for n in range(1, len(parts))]
    return [head for head in heads if role_of(head) in (Role.CONTAINER, Role.ODD)]


@lru_cache(maxsize=8)
def _only_name(place: Place) -> str:
    """The path of the one file of a place."""
    name: str = next(place.files(Rules(), Counter())).column("path")[0].as_py()
    return name


@lru_cache(maxsize=32)
def _nested(container: Container, opener: Opener) -> dict[str, MemberOpener]:
    """The containers among the members of a container, by their paths."""
    found: dict[str, MemberOpener] = {}
    for batch in container.members(opener, Columns()):
        columns = (batch.column(name).to_pylist() for name in ("path", "offset", "bytes"))
        for path, offset, size in zip(*columns, strict=True):
            if offset is not None and kind_by_name(path):
                found[path] = MemberOpener(opener, container, path, offset, size)
    return found

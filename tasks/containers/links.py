"""Links inside an archive, led to the bytes of the member that they stand for."""

from collections.abc import Iterable, Iterator
from posixpath import dirname, join, normpath
from typing import NamedTuple

from sortal.tasks.containers.base import Member
from sortal.tasks.errors import Code
from sortal.tasks.file_names import climbs_out, printable

_LONGEST = 40  # links in a row


class Link(NamedTuple):
    """A member that stands for another: `target` as the archive's root sees it."""

    path: str
    target: str


def symbolic(path: str, target: str) -> Link:
    """A symbolic link, whose target is relative to its own folder."""
    return Link(path, target if target.startswith("/") else normpath(join(dirname(path), target)))


def resolved(links: list[Link], members: Iterable[tuple[str, Member | None]]) -> Iterator[Member]:
    """The links as members with the place of what they lead to, in order.

    `members` are all names of the archive, folders with None. A link to a folder gives nothing:
    what is in it is listed where it really lies.
    """
    by_path = {link.path: link.target for link in links}
    ends = {link.path: _end(link, by_path) for link in links}
    wanted = {end for end in ends.values() if isinstance(end, str)}
    found: dict[str, Member | None] = {}
    for name, member in members:
        if name in wanted:
            found[name] = member
        elif (folder := _wanted_folder(name, wanted)) is not None:
            found.setdefault(folder, None)
    for link in links:
        end = ends[link.path]
        if isinstance(end, Code):
            yield failed(link.path, end)
        elif end not in found:
            yield failed(link.path, Code.BROKEN_LINK)
        elif (target := found[end]) is not None:
            name, bad = printable(link.path)
            yield failed(name, Code.BAD_NAME) if bad else target._replace(path=name)


def _end(link: Link, by_path: dict[str, str]) -> str | Code:
    """Where a chain of links ends."""
    target = link.target
    for _ in range(_LONGEST):
        if climbs_out(target):
            return Code.OUTSIDE_ROOT
        if target not in by_path:
            return target
        target = by_path[target]
    return Code.LINK_LOOP


def _wanted_folder(name: str, wanted: set[str]) -> str | None:
    while name := name.rpartition("/")[0]:
        if name in wanted:
            return name
    return None


def failed(path: str, code: Code, message: str | None = None) -> Member:
    """A member that cannot be read."""
    return Member(printable(path)[0], 0, None, code.value, message or code.meaning)

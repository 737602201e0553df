"""What a scan saw, in a line: its images and failed rows, and every other file by its kind."""

from collections.abc import Mapping
from typing import Any


def seen_of(facts: Mapping[str, Any]) -> str | None:
    """The line for the facts of a scan; None where it read ready-made vectors."""
    if "n_files" not in facts:
        return None
    n_files, others = facts["n_files"], facts["others"]
    parts = [f"{facts['n_ok']:,} {plural('image', facts['n_ok'])}"]
    parts += [f"{facts['n_failed']:,} failed"] if facts["n_failed"] else []
    line = f"{n_files:,} {plural('file', n_files)} seen: {', '.join(parts)}"
    return f"{line}; passed over: {described(others)}" if others else line


def described(others: dict[str, int]) -> str:
    """What was passed over, most of it first: "20 in @eaDir, 12 hidden, 3 text files, 1 PDF"."""
    return ", ".join(
        f"{count:,} {plural(kind, count)}"
        for kind, count in sorted(others.items(), key=lambda item: (-item[1], item[0]))
    )


def is_left_out(kind: str) -> bool:
    """Whether files of this kind are passed over by a rule, whatever they hold."""
    return kind.startswith("in ") or kind in ("hidden", "excluded")


def plural(kind: str, count: int) -> str:
    """A kind of files as `count` of them are called."""
    if count == 1 or is_left_out(kind):
        return kind
    head, of, rest = kind.partition(" of ")
    head, without, more = head.partition(" without ")
    return f"{head}s{without}{more}{of}{rest}"

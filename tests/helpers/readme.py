"""What README and docs/operations.md tell people to type."""

import re

from service import ROOT


def blocks(page: str, heading: str = "") -> list[list[str]]:
    """The lines of each code block of a page, or of one heading; those of a language left out."""
    text = (ROOT / page).read_text("utf-8")
    part = text.partition(f"## {heading}\n")[2].partition("\n## ")[0] if heading else text
    found = re.findall(r"^```(\w*)\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    return [lines.splitlines() for language, lines in found if not language]


def service_lines() -> list[str]:
    """What makes a service of Sortal, from the first line of the shell to a run."""
    (lines,) = blocks("docs/operations.md", "From nothing to a schedule")[:1]
    return lines

"""Asks the questions of docs/sql.md again and writes the answers into the page.

    python benchmarks/cookbook.py WORKSPACE

An answer is the first rows of what `sortal sql` prints, and "..." where there are more.
"""

import argparse
import io
import re
from pathlib import Path

from sortal.flows.operations.query import reading, write_table

PAGE = Path(__file__).parents[1] / "docs" / "sql.md"
PAIR = re.compile(r"```sql\n((?:SELECT|WITH|FROM)[^`]*)```\n\n```text\n[^`]*```", re.DOTALL)
LINES = 12  # of an answer, its two header lines included


def main() -> None:
    """Ask, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    with reading(parser.parse_args().workspace) as lake:

        def answered(pair: re.Match[str]) -> str:
            stream = io.StringIO()
            write_table(lake.execute(pair[1]), stream)
            lines = stream.getvalue().rstrip("\n").split("\n")
            shown = "\n".join(lines[:LINES] + (["..."] if len(lines) > LINES else []))
            return f"```sql\n{pair[1]}```\n\n```text\n{shown}\n```"

        page, count = PAIR.subn(answered, PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")
    print(f"{count} answers written to {PAGE.name}")


if __name__ == "__main__":
    main()

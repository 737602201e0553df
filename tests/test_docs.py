"""What the code says of the docs is there: every anchor that it cites is a heading."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("flows", "tasks", "storage", "configs", "docs", "tests")
ENDINGS = (".py", ".yaml", ".sql", ".md")
PLACES = [path for top in TOPS for path in (ROOT / top).rglob("*") if path.suffix in ENDINGS]
CITED = re.compile(r"docs/([a-z]+\.md)(?:#([a-z0-9-]+))?")
LINKED = re.compile(r"\]\(([a-z]+\.md)?(?:#([a-z0-9-]+))?\)")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.strip().replace(" ", "-") for text in plain}


def citations():
    for path in [*PLACES, ROOT / "README.md"]:
        text = path.read_text("utf-8")
        yield from ((path, "docs/" + page, anchor) for page, anchor in CITED.findall(text))
        if path.parent == ROOT / "docs":
            own = (("docs/" + (page or path.name), anchor) for page, anchor in LINKED.findall(text))
            yield from ((path, page, anchor) for page, anchor in own)


def test_every_page_and_anchor_that_is_cited_exists():
    known = {f"docs/{page.name}": anchors(page) for page in (ROOT / "docs").glob("*.md")}
    wrong = [(str(path.relative_to(ROOT)), page, anchor) for path, page, anchor in citations()
             if page not in known or (anchor and anchor not in known[page])]  # fmt: skip
    assert not wrong


@pytest.mark.parametrize("word", ["METHODS" + ".md", "FACTS" + ".md", "DESIGN" + ".md"])
def test_no_document_is_cited_that_is_not_in_the_repository(word):
    assert [path for path in PLACES if word in path.read_text("utf-8")] == []

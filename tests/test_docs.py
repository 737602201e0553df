"""What the code and the pages cite is there: headings, files, targets of make."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("flows", "tasks", "storage", "configs", "docs", "tests")
ENDINGS = (".py", ".yaml", ".sql", ".md")
PLACES = [path for top in TOPS for path in (ROOT / top).rglob("*") if path.suffix in ENDINGS]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
CITED = re.compile(r"docs/([a-z]+\.md)(?:#([a-z0-9-]+))?")
LINKED = re.compile(r"\]\(([a-z]+\.md)?(?:#([a-z0-9-]+))?\)")


FILE = re.compile(r"\]\(([\w./-]+)(?:#[\w-]+)?\)")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.strip().replace(" ", "-") for text in plain}


def citations():
    for path in {*PLACES, *PAGES}:
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


def test_every_file_that_a_page_links_to_is_there():
    links = [(page, name) for page in PAGES for name in FILE.findall(page.read_text("utf-8"))]
    assert len(links) > 40
    assert [(str(page), name) for page, name in links if not (page.parent / name).exists()] == []


def test_workflow_and_hooks_run_what_the_gate_runs():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    gate = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert gate[-1] == "make test" and "`make test`" in (ROOT / "README.md").read_text("utf-8")
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert entries == ["make lint", "make test"]
    assert all(re.search(rf"^{entry.split()[1]}:", makefile, re.MULTILINE) for entry in entries)


def test_the_pythons_of_workflow_readme_and_package_are_the_same():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    first, *_, last = job["strategy"]["matrix"]["python"]
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text("utf-8")
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert package["requires-python"] == f">={first}"


@pytest.mark.parametrize("word", ["METHODS" + ".md", "FACTS" + ".md", "DESIGN" + ".md"])
def test_no_document_is_cited_that_is_not_in_the_repository(word):
    assert [path for path in PLACES if word in path.read_text("utf-8")] == []

"""What docs/sql.md and README.md print is what their script makes, on the same vectors here."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sortal.flows.operations.query import reading
from sortal.storage.lake.lake import Lake

ROOT = Path(__file__).parents[3]
# Time and memory are a machine's own: of their answer only the header is compared.
OF_A_MACHINE = {"seconds", "cpu_seconds", "peak_mb", "images_per_second"}


@pytest.fixture(scope="module")
def cookbook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cookbook", ROOT / "benchmarks" / "cookbook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(answer: str) -> list[list[str]]:
    """The cells of an answer, without its rule; the cells of another machine's figures left out."""
    header, _, *rows = (re.split(r" {2,}", line.strip()) for line in answer.splitlines())
    return [header] if OF_A_MACHINE & set(header) else [header, *rows]


def same(printed: str, made: str) -> bool:
    """Equal words, and numbers within 5 % or 0.02: another processor rounds otherwise."""
    try:
        return abs(float(printed) - float(made)) <= max(0.05 * abs(float(made)), 0.02)
    except ValueError:
        return printed == made


def agree(printed: str, made: str) -> bool:
    """Whether two answers have the same columns and rows, and all their cells are the same."""
    old, new = lines_of(printed), lines_of(made)
    shapes = [list(map(len, lines)) for lines in (old, new)]
    return shapes[0] == shapes[1] and all(
        same(a, b)
        for one, other in zip(old, new, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_an_answer_that_changed_is_noticed_and_rounding_is_not():
    printed = "name  size  nmi\n----  ----  ---\ncat     60  0.83\ndog     40  0.75"
    assert agree(printed, printed.replace("60", "61").replace("0.83", "0.84"))
    changes = (("cat", "owl"), ("0.83", "0.53"), ("60", "70"), ("size", "n   "), ("dog     40", ""))
    assert not any(agree(printed, printed.replace(*change)) for change in changes)


@pytest.fixture(scope="module")
def lake(cookbook, shared, tmp_path_factory) -> Iterator[Lake]:
    with reading(cookbook.make_lake(shared, tmp_path_factory.mktemp("answers"))) as lake:
        yield lake


def stale(cookbook: ModuleType, page: str, lake: Lake, count: int) -> list[str]:
    """The questions of a part of the page whose printed answer is not the one of `lake`."""
    made = cookbook.PAIR.findall(cookbook.answered(page, lake))
    pairs = list(zip(cookbook.PAIR.findall(page), made, strict=True))
    assert len(pairs) == count
    return [old[0] for old, new in pairs if not agree(old[1], new[1])]


def test_the_answers_of_the_sql_page_are_those_of_its_script(cookbook, lake):
    page, _, _ = cookbook.parts(cookbook.PAGE.read_text("utf-8"))
    assert stale(cookbook, page, lake, 15) == [], "run benchmarks/cookbook.py"


def test_the_answers_about_photos_are_those_of_its_script(cookbook, tmp_path):
    _, page, _ = cookbook.parts(cookbook.PAGE.read_text("utf-8"))
    with reading(cookbook.make_photos(tmp_path)) as lake:
        assert stale(cookbook, page, lake, 3) == [], "run benchmarks/cookbook.py"


def test_the_answers_about_kinds_of_kinds_are_those_of_its_script(cookbook, shared, tmp_path):
    _, _, page = cookbook.parts(cookbook.PAGE.read_text("utf-8"))
    with reading(cookbook.make_tree(shared, tmp_path)) as lake:
        assert stale(cookbook, page, lake, 2) == [], "run benchmarks/cookbook.py"


def test_the_names_in_the_readme_are_those_of_its_script(cookbook, lake):
    (printed,) = cookbook.KINDS_FOUND.findall(cookbook.README.read_text("utf-8"))
    assert cookbook.kinds_found(lake) == printed

"""The house stays in order: small rooms, one direction of imports, and no circle anywhere."""

import ast
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("flows", "tasks", "storage", "configs")  # each imports those after it only
FILES = [path for top in LAYERS for path in sorted((ROOT / top).rglob("*.py"))]
MOST_MODULES, MOST_LINES, MOST_IN_A_FUNCTION = 14, 300, 60
MOST_PARAMETERS, MOST_FUNCTIONS_WITH_MORE = 6, 10


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(parsed(path)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        ours = (name.removeprefix("sortal.") for name in names if name.startswith("sortal."))
        known = [name for name in ours if name in MODULES]
        found |= {name for name in known if not any(o.startswith(f"{name}.") for o in known)}
    return found - {module(path)}


@cache
def every_import() -> dict[str, set[str]]:
    return {module(path): imported(path) for path in FILES}


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Names each of which needs the next, the last being the first; none: there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def functions():
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def n_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_no_files_import_each_other_in_a_circle():
    assert circle(every_import()) == []


def test_no_packages_import_each_other_in_a_circle():
    between = defaultdict(set)
    for name, others in every_import().items():
        own = name.rpartition(".")[0]
        for other in others:
            package = other.rpartition(".")[0] if MODULES[other].name != "__init__.py" else other
            if package != own:
                between[own].add(package)
    assert circle(between) == []


def test_imports_go_one_way():
    for name, others in every_import().items():
        floor = LAYERS.index(name.split(".")[0])
        up = [other for other in others if LAYERS.index(other.split(".")[0]) < floor]
        assert not up, f"{name} imports {up}"


def test_no_folder_has_too_many_modules():
    rooms = defaultdict(int)
    for path in FILES:
        rooms[path.parent] += path.name != "__init__.py"
    crowded = {str(room): count for room, count in rooms.items() if count > MOST_MODULES}
    assert not crowded


def test_every_folder_says_what_it_is_for():
    for folder in {path.parent for path in FILES}:
        assert ast.get_docstring(parsed(folder / "__init__.py")), folder


def test_files_and_functions_are_small():
    lengths = {str(path): path.read_text("utf-8").count("\n") for path in FILES}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}
    sizes = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert {name: n for name, n in sizes.items() if n > MOST_IN_A_FUNCTION} == {}
    ordered = sorted(sizes.values())
    assert ordered[len(ordered) // 2] <= 8
    assert ordered[int(len(ordered) * 0.9)] <= 20


def test_few_functions_take_many_parameters():
    many = [name for name, node in functions() if n_parameters(node) > MOST_PARAMETERS]
    assert len(many) <= MOST_FUNCTIONS_WITH_MORE, many


def test_every_function_says_what_it_returns():
    assert [name for name, node in functions() if node.returns is None] == []

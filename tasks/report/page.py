"""The report's page: a single HTML file with its style and pictures inside, and no script."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jinja2
import yaml
from markupsafe import Markup

from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact
from sortal.storage.atomic import atomic_file
from sortal.storage.collections.known import source_now
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.report.data import ReportData
from sortal.tasks.report.gather import gather
from sortal.tasks.report.thumbnails import Place, thumbnails
from sortal.tasks.shown import shown

PAGE = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"
STYLE = _TEMPLATES / "report.css"


def count(value: float) -> str:
    """A whole number with thousands separators."""
    return f"{round(value):,}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share in [0, 1] as a percentage; "<1 %" where rounding would say 0."""
    if share is None or math.isnan(share):
        return "n/a"
    if 0 < share < 0.005 and not digits:
        return "<1\u202f%"
    return f"{100 * share:.{digits}f}\u202f%"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return "n/a"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def curve(figures: list[float], width: int = 200, height: int = 60) -> str:
    """`figures` as the points of an SVG polyline that fills the box, the lowest at the bottom."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points(figures, width, height))


def points(figures: list[float], width: int = 200, height: int = 60) -> list[tuple[float, float]]:
    """Where each of `figures` is in such a box."""
    low, high = min(figures), max(figures)
    across, span = max(len(figures) - 1, 1), (high - low) or 1.0
    return [
        (width * i / across, height * (1.0 - (value - low) / span))
        for i, value in enumerate(figures)
    ]


def quoted(text: str) -> str:
    """`text` as a SQL literal, for the queries a reader is invited to copy."""
    return "'" + text.replace("'", "''") + "'"


def _finished(value: object) -> object:
    """What a template prints; texts that are no HTML yet are shown with nothing invisible."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _yaml(value: object) -> Markup:
    lines = yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip().split("\n")
    return Markup("\n").join(shown(line) for line in lines)


@cache
def environment() -> jinja2.Environment:
    """The templates of this package, with everything from a collection escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finished,
    )
    environment.filters |= {
        "count": count,
        "percent": percent,
        "duration": duration,
        "quoted": quoted,
        "curve": curve,
        "points": points,
        "yaml": _yaml,
    }
    return environment


def template() -> jinja2.Template:
    """The page's; compiling it takes 0.2 s, once a process."""
    return environment().get_template("report.html.jinja")


@dataclass(frozen=True)
class Links:
    """Where a page leads: to the pages of `sortal browse` under `base`, to the files themselves."""

    base: str | None = None
    originals: Mapping[str, str] = field(default_factory=dict)  # by key

    def kind(self, cluster_id: int) -> str | None:
        """The page with every image of a kind; None where nothing serves it."""
        return self.base and f"{self.base}/kind/{cluster_id}"

    def image(self, key: str) -> str | None:
        """The page of an image, or its file."""
        page = self.base and f"{self.base}/image/{quote(key, safe='')}"
        return page or self.originals.get(key)


def render(data: ReportData, pictures: Mapping[str, str], links: Links | None = None) -> str:
    """The page. `pictures` maps image keys to addresses; a missing one is a placeholder."""
    return template().render(
        data=data,
        run=data.run,
        pictures=pictures,
        links=links or Links(),
        cards=data.clusters[: data.n_cards],
        named=[cluster for cluster in data.clusters[: data.n_cards] if cluster.named],
        largest=max((cluster.size for cluster in data.clusters), default=0),
    )


def build(workspace: Workspace, run_id: str, source: str | None = None) -> str:
    """The page of a run in the lake; `source` is where its images are now, if they moved."""
    with Lake(workspace, read_only=True) as lake:
        data = gather(lake, run_id)
        where = source or source_now(lake, workspace, data.run)
    config = ImagesConfig(**data.run["config"].get("images", {}))
    pictures = thumbnails(where, data.places(), data.sizes(), config)
    return render(data, pictures, Links(originals=_originals(where, data.places())))


def build_served(lake: Lake, run_id: str, base: str) -> str:
    """The same page for `sortal browse`, which has every picture and kind under `base`."""
    data = gather(lake, run_id)
    pictures = {each.key: f"{base}/small/{quote(each.key, safe='')}" for each in data.places()}
    return render(data, pictures, Links(base))


def _originals(source: str, places: list[Place]) -> dict[str, str]:
    """Addresses of the files that are images themselves, by key."""
    folder = Path(source).absolute()
    files = {each.key: folder / each.path for each in places if each.offset is None}
    try:
        return {key: file.as_uri() for key, file in files.items() if file.is_file()}
    except (OSError, ValueError):  # a source that is no folder
        return {}


def place_report(workspace: Workspace, run_id: str, report: Artifact) -> Path:
    """Copy a written report to `reports/<run_id>.html`, atomically; returns that path."""
    return _place(workspace, run_id, report.file(workspace, PAGE).read_bytes())


def publish_report(workspace: Workspace, run_id: str) -> Path:
    """Make the report of a run in the lake again and place it; returns its path."""
    return _place(workspace, run_id, build(workspace, run_id).encode())


def _place(workspace: Workspace, run_id: str, page: bytes) -> Path:
    path = workspace.reports / f"{run_id}.html"
    with atomic_file(path) as temporary:
        temporary.write_bytes(page)
    return path

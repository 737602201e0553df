"""A run as a piece of HTML for a notebook's cell: the kinds, each with a few pictures."""

from sortal.configs.schema import ImagesConfig
from sortal.storage.collections.known import source_now
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.report.gather import gather
from sortal.tasks.report.page import environment
from sortal.tasks.report.thumbnails import Place, thumbnails

MOST_KINDS = 40
PICTURES = 6  # of each kind


def fragment(workspace: Workspace, run_id: str) -> str:
    """The largest MOST_KINDS kinds of a run with PICTURES pictures each, styled inline.

    Images that are gone have no picture. Raises UsageError for a run that is not in the lake.
    """
    with Lake(workspace, read_only=True) as lake:
        data = gather(lake, run_id)
        source = source_now(lake, workspace, data.run)
    kinds = data.clusters[:MOST_KINDS]
    places: list[Place] = [picture.place for kind in kinds for picture in kind.pictures[:PICTURES]]
    config = ImagesConfig(**data.run["config"].get("images", {}))
    return (
        environment()
        .get_template("fragment.html.jinja")
        .render(
            run=data.run,
            kinds=kinds,
            n_more=len(data.clusters) - len(kinds),
            pictures=thumbnails(source, places, {}, config),
            per_kind=PICTURES,
        )
    )

"""A row of the table `runs`: the one list of its columns in Python, and the series it is of."""

from datetime import datetime
from typing import TypedDict

from sortal.configs.errors import expanded


class RunRow(TypedDict):
    """A row of `runs`, written by name; times are UTC without a zone, `config` is JSON text."""

    run_id: str
    fingerprint: str
    collection: str
    scan: str
    source: str
    method: str
    encoder: str
    encoder_fingerprint: str
    n_clusters: int
    n_images: int
    n_failed: int
    random_state: int
    config: str
    started_at: datetime
    finished_at: datetime
    seconds: float
    wall_seconds: float
    sortal_version: str
    labels_used: bool
    protocol: str
    series: str
    variant: str | None
    criterion: str | None
    vocabulary: str | None
    supervision: str | None


def series_of(
    collection: str,
    method: str,
    encoder: str,
    encoder_fingerprint: str,
    random_state: int,
    source: str,
    criterion: str | None = None,
    **_: object,
) -> str:
    """The series of a run: what it follows, and what names are pinned for.

    Ready-made vectors are known by their place, since their fingerprint changes with every image
    added; those that are the collection's source itself by nothing else, so that it may move.
    Runs by a criterion follow one another, and no others.
    """
    from sortal.configs.encoder import EncoderSpec  # reading a lake needs no pydantic

    space, where = encoder_fingerprint, EncoderSpec.parse(encoder).where
    if where is not None:
        own = where.resolve() == expanded(source).resolve()
        space = "vectors:" if own else encoder
    series = f"{collection} {method} {space} {random_state}"
    return f"{series} by {criterion}" if criterion else series

"""A row of the table `runs`: the one list of its columns in Python, and the series it is of."""

from datetime import datetime
from typing import TypedDict

from sortal.configs.encoder_spec import EncoderSpec


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
    sortal_version: str
    labels_used: bool
    protocol: str


def series_of(
    collection: str,
    method: str,
    encoder: str,
    encoder_fingerprint: str,
    random_state: int,
    **_: object,
) -> str:
    """The series of a run, as the lake's view `series` writes it.

    Ready-made vectors are known by their place: their fingerprint changes with every image added.
    """
    space = encoder if EncoderSpec.parse(encoder).where else encoder_fingerprint
    return f"{collection} {method} {space} {random_state}"

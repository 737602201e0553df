"""A row of the table `runs`: the one list of its columns in Python."""

from datetime import datetime
from typing import TypedDict


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

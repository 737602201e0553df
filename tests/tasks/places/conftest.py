from pathlib import Path

import pytest

from s3_storage import s3, s3_server  # noqa: F401 - fixtures
from sortal.configs.remote import RemoteConfig
from sortal.tasks.places import retries
from sortal.tasks.places.fetched import Reading

QUICK = RemoteConfig(backoff=0.01, retries=2, timeout=20.0, concurrency=8)


@pytest.fixture(autouse=True)
def _all_servers_are_up() -> None:
    retries._down.clear()


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(QUICK, tmp_path / "home")

"""What is refused once the images of a source are counted, in one line."""

import pytest

from sortal.configs.errors import RunError, UsageError
from sortal.configs.load import make_config
from sortal.flows.run.check import check_size
from sortal.storage.artifacts import Artifact


@pytest.mark.parametrize(
    ("n_ok", "n_unique", "error", "words"),
    [
        (0, 0, RunError, "none of the 4 inputs of photos is a readable image"),
        (3, 1, UsageError, "at least 2 distinct readable images .* got 1 among 4 inputs of photos"),
        (4, 2, UsageError, r"n_clusters must be in \[2, 2\], got 3"),
    ],
)
def test_fewer_images_than_clusters_are_refused(n_ok, n_unique, error, words):
    facts = {"n_ok": n_ok, "n_unique": n_unique}
    found = Artifact(kind="scan", fingerprint="0", identity="0", rows=4, facts=facts)
    with pytest.raises(error, match=words) as raised:
        check_size(make_config({"source": "photos", "n_clusters": 3}), found, "photos")
    assert "\n" not in str(raised.value)

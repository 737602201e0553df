"""Which errors are transient: a step that ends in one is tried again."""

import errno
import urllib.error

import httpx
import pytest

from sortal.configs.errors import RunError, TransientError, UsageError, is_transient


def caused(error: Exception, by: BaseException) -> Exception:
    try:
        raise error from by
    except Exception as raised:
        return raised


@pytest.mark.parametrize(
    "error",
    [
        TransientError("the lake stayed busy"),
        ConnectionResetError(),
        TimeoutError(),
        OSError(errno.ESTALE, "stale file handle"),
        urllib.error.HTTPError("http://a", 503, "busy", None, None),
        urllib.error.URLError(ConnectionRefusedError()),
        httpx.ConnectTimeout("slow"),
        caused(RunError("weights"), httpx.ReadTimeout("slow")),
    ],
)
def test_disks_networks_and_catalogues_recover(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        UsageError("n_clusters"),
        caused(UsageError("catalogue"), ConnectionRefusedError()),
        RunError("nothing to sort"),
        OSError(errno.ENOSPC, "full"),
        FileNotFoundError(errno.ENOENT, "gone"),
        PermissionError(errno.EACCES, "no"),
        urllib.error.HTTPError("http://a", 404, "none", None, None),
        ValueError("a bug"),
    ],
)
def test_mistakes_full_disks_and_bugs_do_not(error):
    assert not is_transient(error)

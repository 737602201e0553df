"""The folder that a worker works in: the run's workspace, or one of its node's own.

A node that does not see the workspace reads what it needs of it from the workspace's bucket, and
writes there; its folder is then no more than what it has near.
"""

import errno
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sortal.configs import GRACE_DAYS
from sortal.configs.errors import RunError
from sortal.storage.hashing import hash_text

_DAY = 86_400.0


class Home(NamedTuple):
    """A run's workspace as nodes are told of it.

    `token` is a file in it, `objects` the bucket where it is published, and `folder` where a node
    that does not see it makes a folder of its own.
    """

    token: Path
    objects: str | None
    folder: str | None


def root_of(home: Home) -> Path:
    """The workspace's folder where this node sees it and may write there, else one of its own.

    Raises RunError where there can be none.
    """
    folder = home.token.parent
    if home.token.exists() and os.access(folder, os.W_OK):
        return folder
    if home.objects is None:
        raise RunError(f"a worker must see the workspace {folder}, it does not")
    own = _base(home.folder) / hash_text(home.objects)[:16]
    try:
        if home.folder is None:
            _make_private(own.parent)  # others may write beside it
        _make_private(own)
        _tidy(own)
    except OSError as error:
        raise RunError(
            f"a worker must have a folder of its own, {own} is none ({error.strerror}); name "
            "another by ray.folder"
        ) from None
    return own


def _base(folder: str | None) -> Path:
    if folder is not None:
        return Path(os.path.expandvars(folder)).expanduser()  # as the node has it
    return Path(tempfile.gettempdir()) / f"sortal-{os.getuid()}"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it belongs to another user")


def _tidy(folder: Path) -> None:
    """Delete the vectors that came long ago; whoever needs them brings them again."""
    before = time.time() - GRACE_DAYS * _DAY
    for name in ("artifacts", "vectors"):
        for path in (folder / name).rglob("*.parquet"):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()


def wrong_with(home: Home) -> str:
    """Why this node cannot do without the workspace's folder; empty where it can."""
    from sortal.storage.objects.bucket import Bucket

    try:
        root_of(home)
        Bucket(home.objects or "").require(write=True)
    except RunError as error:
        return str(error)
    return ""

"""What a node of a cluster is asked first. Sent as source: the node may not have Sortal at all."""

import os
import socket
import sys


def look(home: tuple[str, str | None, str | None], sources: list[str]) -> dict[str, object]:
    """Whether this node has Sortal, sees a run's `home` and `sources`, and may write there.

    Where it does not, what keeps it from doing without (`node_folder.Home`). It needs nothing but
    Python's own library until it knows that it has Sortal.
    """
    token = home[0]
    found: dict[str, object] = {"host": socket.gethostname(), "python": sys.version.split()[0]}
    try:
        from importlib.metadata import version

        import sortal  # noqa: F401 - whether it can be imported

        found["sortal"] = version("sortal")
    except Exception as error:
        found["sortal"], found["reason"] = None, str(error)
    found["sees"] = os.path.exists(token)  # noqa: PTH110
    found["unseen"] = [path for path in sources if not os.path.exists(path)]  # noqa: PTH110
    found["writes"] = bool(found["sees"]) and os.access(
        os.path.dirname(token),  # noqa: PTH120
        os.W_OK,
    )
    if found["sortal"] and home[1] and not found["writes"]:
        found["wrong"] = _without_the_folder(home)
    return found


def _without_the_folder(home: tuple[str, str | None, str | None]) -> str:
    try:
        from pathlib import Path

        from sortal.tasks.executor.node_folder import Home, wrong_with

        return wrong_with(Home(Path(home[0]), *home[1:]))
    except ImportError:  # another version, which is said first
        return ""

"""What a node of a cluster is asked first. Sent as source: the node may not have Sortal at all."""

import os
import socket
import sys


def look(folder: str, name: str, sources: list[str]) -> dict[str, object]:
    """Whether this node has Sortal, sees the file `name` of `folder` and `sources`, and may write.

    It needs nothing but Python's own library.
    """
    found: dict[str, object] = {"host": socket.gethostname(), "python": sys.version.split()[0]}
    try:
        from importlib.metadata import version

        import sortal  # noqa: F401 - whether it can be imported

        found["sortal"] = version("sortal")
    except Exception as error:
        found["sortal"], found["reason"] = None, str(error)
    found["sees"] = os.path.exists(os.path.join(folder, name))  # noqa: PTH110, PTH118
    found["unseen"] = [path for path in sources if not os.path.exists(path)]  # noqa: PTH110
    found["writes"] = bool(found["sees"]) and os.access(folder, os.W_OK)
    return found

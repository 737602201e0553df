"""Proxies of the environment: none stands between this machine and itself."""

import os
from urllib.request import getproxies_environment

from sortal.configs.remote import require_proxy_is_known

_HERE = ("127.0.0.1", "localhost", "::1")


def reach_this_machine_directly() -> None:
    """Have clients of this process, and of those it starts, ask no proxy for this machine.

    Prefect's server is here, and no proxy reaches it. Raises UsageError for a proxy that no client
    can use. Call it before the first client is made.
    """
    given = getproxies_environment()
    if not given.keys() - {"no"}:
        return
    require_proxy_is_known()
    listed = [name.strip() for name in given.get("no", "").split(",") if name.strip()]
    if "*" not in listed:
        spared = ",".join(dict.fromkeys((*listed, *_HERE)))
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = spared

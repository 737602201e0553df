"""Ports of this machine that are free."""

import socket

from sortal.configs.errors import RunError

HOST = "127.0.0.1"
PORT = 4200  # Prefect's own
_TRIES = 50


def choose(wanted: int | None, first: int = PORT, host: str = HOST) -> int:
    """The wanted port, or the first free from `first`; RunError for a taken one."""
    if wanted is not None:
        if not is_free(wanted, host):
            raise RunError(
                f"port {wanted} must be free, and is taken; give another --port, or none for the "
                "next that is free"
            )
        return wanted
    return next_free(first, host)


def next_free(first: int, host: str = HOST) -> int:
    """The first free port from `first` on; raises RunError when there is none near it."""
    for port in range(first, min(first + _TRIES, 65536)):
        if is_free(port, host):
            return port
    raise RunError(f"a port from {first} to {first + _TRIES - 1} must be free, and none is")


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

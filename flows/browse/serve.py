"""Serves a workspace until a signal: to this machine or, with a token, to a network."""

import ipaddress
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from sortal.configs.errors import UsageError
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.safety import Guard
from sortal.flows.service.ports import HOST, choose, is_free
from sortal.storage.lake.catalogue import Catalogue
from sortal.storage.workspace import Workspace
from sortal.tasks.silence import doing, unwatched

PORT = 4280  # the first that is tried
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_MOST_WAITING = 200  # requests; further ones are told to come again


@dataclass(frozen=True)
class Place:
    """Where pages are served. Another host than this one has a token."""

    host: str
    port: int
    token: str | None

    @property
    def address(self) -> str:
        """What to open in a browser."""
        everywhere = self.host in ("0.0.0.0", "::")
        name = socket.gethostname() if everywhere else self.host
        name = f"[{name}]" if ":" in name else name
        query = f"/?token={self.token}" if self.token else "/"
        return f"http://{name}:{self.port}{query}"

    @property
    def guard(self) -> Guard:
        """What requests must pass."""
        if self.token is None:
            return Guard(_LOOPBACK)
        return Guard(frozenset(), self.token)


def place_of(host: str | None, port: int | None, token: str | None) -> Place:
    """Where to serve: by default this machine alone, at the next free port.

    Raises UsageError for a host that is not this machine's, RunError for a port that is taken.
    """
    host = host or HOST
    if not _is_here(host):
        raise UsageError(f"--host must be an address of this machine, got {host!r}")
    if token is not None and len(token) < 16:
        raise UsageError(f"--token must have 16 characters or more, got {len(token)}")
    if not _is_loopback(host):
        token = token or secrets.token_urlsafe(24)
    return Place(host, choose(port, PORT, host), token)


def _is_here(host: str) -> bool:
    """Whether this machine can listen at `host`, at a port that it chooses."""
    with suppress(OSError):
        socket.getaddrinfo(host, None)
        return is_free(0, host)
    return False


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class _Server(uvicorn.Server):
    """Says when it listens, so that nobody comes before."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._begun()


def serve(workspace: Workspace, place: Place, show: bool) -> None:
    """Print the address, open it where `show`, and answer until a signal."""
    doing("opening the workspace")
    Catalogue.configured(workspace).require()
    library = Library(workspace)
    config = uvicorn.Config(
        make_app(library, place.guard),
        host=place.host,
        port=place.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_WAITING,
        timeout_graceful_shutdown=1,
    )

    def begun() -> None:
        unwatched()
        sys.stdout.write(f"{place.address}\nCtrl-C ends it.\n")
        sys.stdout.flush()
        if show:
            threading.Thread(target=webbrowser.open, args=(place.address,), daemon=True).start()

    server = _Server(config, begun)
    try:
        server.run()
    finally:
        library.close()

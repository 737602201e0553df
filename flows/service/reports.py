"""The workspace's reports over HTTP, on this machine alone: a browser opens no file of a page."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sortal.flows.service.ports import HOST, next_free


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing on the terminal."""


@contextmanager
def served(folder: Path, near: int) -> Iterator[str]:
    """Serve the files of a folder on a free port after `near`; yields the address."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer((HOST, next_free(near + 1)), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()

"""A TCP proxy before PostgreSQL that loses connections where a test says."""

import contextlib
import socket
import threading
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Proxy:
    """Forwards to a server's socket; `url` is the server's URL through the proxy.

    `on_commit` is called with the proxy when a client sends COMMIT, before the server has it, and
    `after_commit` once the server has answered it and the client has not heard. Each is for the
    first COMMIT since it was set.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        folder = parse_qs(parts.query)["host"][0]
        self._server = f"{folder}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        user = parts.netloc.rpartition("@")[0]
        place = f"{user}@127.0.0.1:{self.port}"
        self.url = urlunsplit((parts.scheme, place, parts.path, "sslmode=disable", ""))
        self.on_commit: Callable[[Proxy], None] | None = None
        self.after_commit: Callable[[Proxy], None] | None = None
        self.refusing = False
        self.connections = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, as a reset network does."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Break every connection and take no more until `refusing` is false again."""
        self.refusing = True
        self.cut()

    def close(self) -> None:
        self.refuse()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refusing:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self.connections += 1
                self._open += [client, server]
                committing = threading.Event()
                for work in (self._upstream, self._downstream):
                    args = (client, server, committing)
                    threading.Thread(target=work, args=args, daemon=True).start()

    def _upstream(self, client, server, committing) -> None:
        try:
            while data := client.recv(65536):
                if data.startswith(b"Q") and b"COMMIT" in data[:20]:
                    hook, self.on_commit = self.on_commit, None
                    if hook:
                        hook(self)
                    committing.set()
                server.sendall(data)
        except OSError:
            pass
        finally:
            self._hang_up(client, server)

    def _downstream(self, client, server, committing) -> None:
        try:
            while data := server.recv(65536):
                if committing.is_set():
                    committing.clear()
                    hook, self.after_commit = self.after_commit, None
                    if hook:
                        hook(self)
                client.sendall(data)
        except OSError:
            pass
        finally:
            self._hang_up(client, server)

    @staticmethod
    def _hang_up(*sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

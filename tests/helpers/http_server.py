"""Servers on this machine: one of URLs, and one that speaks S3, behind a proxy that misbehaves."""

import gzip
import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

Handle = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to its server's `handle`, and counts it by method and path."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_any(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.requests.append(f"{self.command} {self.path}")
            self.server.counts[path] += 1
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self.server.handle(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = do_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        """End the connection as a crash of the server does: with a reset, and no answer."""
        linger = b"\1\0\0\0\0\0\0\0"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handle: Handle) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.handle = handle
        self.lock = threading.Lock()
        self.requests: list[str] = []
        self.counts: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        pass

    def forget(self) -> None:
        with self.lock:
            self.requests.clear()
            self.counts.clear()


@contextmanager
def serving(handle: Handle) -> Iterator[Server]:
    server = Server(handle)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Fault(NamedTuple):
    """What befalls the first `times` requests whose method and path hold `text`."""

    text: str
    do: Callable[[Handler], bool]  # True: the request is answered
    times: int = 1


class Proxy:
    """Passes requests on to `upstream`, but for what `faults` do to them."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults: list[Fault] = []

    def __call__(self, request: Handler) -> None:
        for i, fault in enumerate(self.faults):
            if fault.times and fault.text in f"{request.command} {request.path}":
                self.faults[i] = fault._replace(times=fault.times - 1)
                if fault.do(request):
                    return
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.request(request.command, request.path, body, dict(request.headers))
        answer = connection.getresponse()
        data = answer.read()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                request.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in answer.getheaders()):
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
        connection.close()


def busy(request: Handler) -> bool:
    request.answer(503, b"<Error><Code>SlowDown</Code></Error>")
    return True


def reset(request: Handler) -> bool:
    request.reset()
    return True


def slow(seconds: float) -> Callable[[Handler], bool]:
    def wait(_: Handler) -> bool:
        time.sleep(seconds)
        return False

    return wait


def zipped(text: bytes) -> bytes:
    return gzip.compress(text)

"""Proxies of the environment: this machine is reached without them, and odd ones are one line."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from threading import Thread

import httpx
import pytest

from sortal.configs.errors import UsageError
from sortal.configs.remote import RemoteConfig
from sortal.flows.process.proxies import reach_this_machine_directly
from sortal.tasks.places.web import _client

NOWHERE = "http://127.0.0.1:9"
NAMES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]


class Here(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def here():
    server = HTTPServer(("127.0.0.1", 0), Here)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in NAMES:
        for each in (name, name.upper()):
            monkeypatch.setenv(each, "")  # so that what the test leaves is put back
            monkeypatch.delenv(each)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("spared", [None, "example.org", "example.org, localhost"])
def test_a_server_on_this_machine_is_reached_whatever_proxy_is_set(here, monkeypatch, name, spared):
    monkeypatch.setenv(name, NOWHERE)
    if spared:
        monkeypatch.setenv("no_proxy", spared)
    with pytest.raises(httpx.ConnectError):
        httpx.get(here)
    reach_this_machine_directly()
    assert httpx.get(here).status_code == 200
    with pytest.raises(httpx.ConnectError):  # through the proxy, as before
        httpx.get("http://192.0.2.1/")
    assert os.environ["NO_PROXY"].startswith("example.org" if spared else "127.0.0.1")


def test_without_a_proxy_nothing_is_set():
    reach_this_machine_directly()
    assert "NO_PROXY" not in os.environ


@pytest.mark.skipif(find_spec("socksio") is not None, reason="SOCKS can be used here")
@pytest.mark.parametrize("use", [reach_this_machine_directly, lambda: _client(-1, RemoteConfig())])
def test_a_proxy_that_no_client_can_use_is_one_line_without_its_password(monkeypatch, use):
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:9")
    with pytest.raises(UsageError, match="ALL_PROXY names, needs the package socksio") as caught:
        use()
    assert "secret" not in str(caught.value)

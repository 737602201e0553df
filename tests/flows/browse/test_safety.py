"""Who may ask the pages of `sortal browse`, and what an answer may do."""

import pytest
from fastapi.testclient import TestClient

from sortal.configs.errors import RunError, UsageError
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.safety import Guard
from sortal.flows.browse.serve import place_of

TOKEN = "t" * 24


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]"])
def test_another_host_name_is_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "LOCALHOST:4280"])
def test_our_host_names_are_not(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:4281"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_only_a_page_of_ours_may_write(client, headers):
    assert client.post("/run/latest/kind/10", headers=headers).status_code == 403


def test_too_many_bytes_are_refused_before_they_are_read(client):
    headers = {"content-length": "99000000000"}
    assert client.post("/run/latest", headers=headers, content=b"x").status_code == 413


def test_every_answer_says_what_a_page_may_do(client):
    for path in ("/", "/nope", "/static/browse.css", "/run/latest"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_token_is_asked_for_once_and_leaves_the_address(browsed):
    library = Library(browsed)
    app = make_app(library, Guard(frozenset(), TOKEN))
    with TestClient(app, base_url="http://photos.lan", follow_redirects=False) as client:
        assert client.get("/").status_code == 401
        assert client.get(f"/?token={TOKEN[:-1]}").status_code == 401
        entered = client.get(f"/collection/x?token={TOKEN}&after=3")
        assert entered.status_code == 303
        assert entered.headers["location"] == "http://photos.lan/collection/x?after=3"
        assert "httponly" in entered.headers["set-cookie"].lower()
        assert client.get("/").status_code == 200
    library.close()


def test_another_host_has_a_token_and_this_machine_has_none():
    assert place_of(None, None, None).token is None
    assert place_of("localhost", None, None).address.startswith("http://localhost:")
    place = place_of("0.0.0.0", None, None)
    assert place.token and len(place.token) >= 24
    assert place.address.endswith(f"/?token={place.token}")


def test_mistakes_are_one_line():
    for host in ("no.such.host.invalid", "198.51.100.7"):  # of no machine
        with pytest.raises(UsageError, match="--host must be an address of this machine"):
            place_of(host, None, None)
    with pytest.raises(UsageError, match="16 characters or more, got 3"):
        place_of(None, None, "abc")
    taken = place_of(None, None, None)
    import socket

    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        held.bind((taken.host, taken.port))
        held.listen()
        with pytest.raises(RunError, match=f"port {taken.port} must be free"):
            place_of(None, taken.port, None)

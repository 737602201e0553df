"""Collections, kinds and pictures as pages: what is on them, in which order, safely written."""

import io
import re

import pytest
from PIL import Image

KEY = re.compile(r'/image/([0-9a-f]+)"')


def keys(client, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return KEY.findall(answer.text)


def test_the_first_page_has_every_collection_with_its_newest_run(client):
    page = client.get("/").text
    assert "pets &amp; &lt;b&gt;co" in page and "<b>co" not in page
    assert page.count("/run/run-2") >= 1 and "/run/run-1" not in page


def test_the_runs_of_a_collection_are_newest_first(client):
    page = client.get("/collection/pets%20%26%20%3Cb%3Eco").text
    assert page.index("/run/run-2") < page.index("/run/run-1")


def test_kinds_are_found_by_name_and_put_in_order(client):
    both = client.get("/run/latest?order=name").text
    assert both.index(">even: a/b<") < both.index(">odd<")
    one = client.get("/run/latest?q=ODD").text
    assert ">odd<" in one and ">even: a/b<" not in one and "1 of 2 kinds" in one


def test_every_image_of_a_kind_is_on_its_page_and_odd_is_typical_turned_round(client):
    typical = keys(client, "/run/run-2/kind/10")
    assert len(typical) == len(set(typical)) == 5  # of even seeds; the copy is one image
    assert keys(client, "/run/run-2/kind/10?order=odd") == typical[::-1]
    assert keys(client, "/run/run-1/kind/10") == typical[:4]


def test_a_picture_is_written_anew_and_lasts_for_ever(client):
    key = keys(client, "/run/latest/kind/10")[0]
    for size in ("small", "large"):
        answer = client.get(f"/run/latest/{size}/{key}")
        assert answer.headers["content-type"] == "image/webp"
        assert "immutable" in answer.headers["cache-control"]
        assert Image.open(io.BytesIO(answer.content)).size == (160, 120)


@pytest.mark.parametrize(
    "address",
    [
        "/run/latest/small/../../../etc/passwd",
        "/run/latest/large/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/run/latest/large/0%20%3Ci%3E.png",
        "/static/..%2fapp.py",
        "/run/latest/kind/99",
        "/run/nope",
        "/nope",
    ],
)
def test_what_is_not_there_is_a_404(client, address):
    assert client.get(address).status_code == 404


def test_a_mistake_in_an_address_is_a_page_that_says_so(client):
    answer = client.get("/run/latest?order=sideways")
    assert answer.status_code == 400 and "order in the address" in answer.text.lower()

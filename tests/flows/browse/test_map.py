"""The map: points as bytes, groups to colour by, and the images in a lasso."""

import numpy as np
import pyarrow as pa
import pytest

from sortal.flows.browse.base.points import Points
from sortal.flows.browse.pages import map as map_page

RUN = "/run/run-2"


@pytest.fixture(scope="module")
def drawn(client):
    """A browser to which the map of the second run is there."""
    assert "Finding a place for every image is done once" in client.get(f"{RUN}/map").text
    assert client.get(f"{RUN}/map/points.bin").status_code == 404
    client.post(f"{RUN}/make/map?to=map", follow_redirects=False)
    client.app.state.library.making.job("run-2", "map").thread.join()
    return client


def places(client) -> np.ndarray:
    return np.frombuffer(client.get(f"{RUN}/map/points.bin").content, "<f4").reshape(2, -1)


def test_points_and_groups_come_as_bytes_in_one_order(drawn):
    xy = places(drawn)
    codes = np.frombuffer(drawn.get(f"{RUN}/map/groups/kind.bin").content, "<u2")
    groups = drawn.get(f"{RUN}/map/groups/kind.json").json()
    assert xy.shape[1] == len(codes) == 10 and np.abs(xy).max() < 1.5
    assert [group["name"] for group in groups] == ["even: a/b", "odd"]
    assert np.bincount(codes).tolist() == [group["n"] for group in groups]
    images = drawn.get(f"{RUN}/map/images.json?rows=0,1,2,3,4,5,6,7,8,9").json()
    assert [image["name"] for image in images] == [groups[code]["name"] for code in codes]


def test_what_is_new_since_the_run_before_is_a_group_only_where_there_is_one(drawn):
    page = drawn.get(f"{RUN}/map").text
    assert "<option selected>kind</option>" in page and "<option>novelty" not in page


@pytest.mark.parametrize("rows", ["", "a", "1;2", ",".join(["1"] * 201)])
def test_rows_must_be_a_few_numbers(drawn, rows):
    assert drawn.get(f"{RUN}/map/images.json", params={"rows": rows}).status_code == 404
    assert drawn.get(f"{RUN}/map/images.json?rows=-1,99").json() == []


def test_a_lasso_opens_the_images_in_it(drawn):
    everything = drawn.get(f"{RUN}/map/inside?lasso=-9,-9,9,-9,9,9,-9,9").text
    assert "10 images in the lasso" in everything
    odd = drawn.get(f"{RUN}/map/inside?lasso=-9,-9,9,-9,9,9,-9,9&by=kind&hidden=0").text
    assert "5 images in the lasso" in odd
    x, y = places(drawn)[:, 3]
    near = (
        f"{x - 0.01},{y - 0.01},{x + 0.01},{y - 0.01},{x + 0.01},{y + 0.01},{x - 0.01},{y + 0.01}"
    )
    assert "1 image in the lasso" in drawn.get(f"{RUN}/map/inside?lasso={near}").text
    assert drawn.get(f"{RUN}/map/inside?lasso=0,0,1,0,1,1&hidden=99999999").status_code == 400
    for lasso in ("", "1,2", "1,2,3,4,5", "nan,1,2,3,4,5", ",".join(["1"] * 900)):
        assert drawn.get(f"{RUN}/map/inside", params={"lasso": lasso}).status_code == 404


def test_only_the_map_may_make_functions_of_texts(drawn):
    assert "unsafe-eval" in drawn.get(f"{RUN}/map").headers["content-security-policy"]
    for path in (
        RUN,
        f"{RUN}/map/points.bin",
        f"{RUN}/map/inside?lasso=0,0,1,0,1,1",
        "/map/plotly.js",
    ):
        assert "unsafe" not in drawn.get(path).headers["content-security-policy"]


def test_without_plotly_the_page_says_what_to_install(drawn, monkeypatch):
    monkeypatch.setattr(map_page, "script", lambda: None)
    page = drawn.get(f"{RUN}/map").text
    assert "pip install &#39;sortal[map]&#39;" in page or "pip install 'sortal[map]'" in page
    assert "/map/plotly.js" not in page and "The map as a table" in page
    assert drawn.get("/map/plotly.js").status_code == 404


def points(n: int, **columns) -> Points:
    """A map of `n` points, all of one kind but for `columns`."""
    values = {
        "key": [f"{row:04}" for row in range(n)], "x": np.arange(n) / n, "y": np.zeros(n),
        "cluster": pa.array(np.zeros(n), pa.int32()), "label": pa.nulls(n, pa.string()),
        "taken_at": pa.nulls(n, pa.timestamp("us")), "is_new": [False] * n, **columns,
    }  # fmt: skip
    return Points(pa.table(values), [])


def test_many_kinds_share_their_last_colour():
    cluster = pa.array(np.repeat(np.arange(100), np.arange(100) + 1), pa.int32())
    found = points(len(cluster), cluster=cluster).grouped("kind")
    assert len(found.groups) == 61 and found.groups[-1].name == "all others"
    assert np.bincount(found.codes).tolist() == [group.n for group in found.groups]


def test_dates_are_spans_with_as_many_images_each():
    days = np.datetime64("2020-01-01") + np.arange(99).astype("timedelta64[D]")
    taken = pa.array([*days.astype("datetime64[us]"), None], pa.timestamp("us"))
    found = points(100, taken_at=taken).grouped("date")
    assert found.groups[-1].name == "no date" and found.groups[-1].n == 1
    assert {group.n for group in found.groups[:-1]} <= {9, 10, 11}
    assert found.groups[0].name.startswith("2020-01-01 to ")
    assert [group.n for group in points(5).grouped("date").groups] == [5]


def test_new_images_are_a_group():
    assert points(3, is_new=[True, False, True]).grouped("novelty").codes.tolist() == [1, 0, 1]
    assert points(3).bys == ["kind"]

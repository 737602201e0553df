"""Clean up: what each list holds, that an export sets the same aside, and looks made on asking."""

import csv
import html
import io
import re
import shlex

import pytest
from fastapi.testclient import TestClient

from looked_run import copies, publish, scene
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.cleaning.matrix import matrix_of
from sortal.flows.browse.safety import Guard
from sortal.flows.operations.export.selection import select
from sortal.storage.workspace import Workspace

RUN = "/run/run-1"


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """Two kinds with labels, of which one is wrong; a torn file, copies, a dark, a tiny picture."""
    root = tmp_path_factory.mktemp("messy")
    pictures = {
        f"{'even' if seed % 2 == 0 else 'odd'}/{seed}.png": scene(seed) for seed in range(10)
    }
    pictures["odd/2.png"] = pictures.pop("even/2.png")
    pictures["even/again.png"] = pictures["even/0.png"]
    pictures["even/half.png"] = copies(pictures["even/4.png"])["resized"]
    pictures["odd/night.png"] = scene(12).point(lambda value: value // 6)
    pictures["odd/small.png"] = scene(13, (60, 50))
    vectors = {path: int(re.sub(r"\D", "", path) or 14) for path in pictures}
    vectors |= {"even/again.png": 0, "even/half.png": 4, "odd/night.png": 11, "odd/small.png": 13}
    for path, picture in pictures.items():
        file = root / "p" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    (root / "p" / "odd" / "=torn.png").write_text("no picture")
    workspace = Workspace(root / "w").create()
    publish(workspace, root / "p", "run-1", vectors)
    return workspace


@pytest.fixture(scope="module")
def client(messy):
    library = Library(messy)
    app = make_app(library, Guard(frozenset({"127.0.0.1"})))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert "Looking for near duplicates is done once" in client.get(f"{RUN}/clean/near").text
        for look in ("duplicates", "quality_flags"):
            asked = client.post(f"{RUN}/make/{look}?to=clean", follow_redirects=False)
            assert asked.headers["location"] == f"{RUN}/clean"
            library.making.job("run-1", look).thread.join()
        yield client
    library.close()


def listed(client, what: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(f"{RUN}/clean/{what}.csv").text)))


def test_the_overview_counts_what_each_list_holds(client):
    page = client.get(f"{RUN}/clean").text
    shown = dict(re.findall(r'/clean/(\w+)">[^<]*</a></h2><p class="n">(\d*)', page))
    assert shown == {
        "exact": "1", "near": "1", "odd": "2", "blank": "0", "dark": "1", "blurred": "1",
        "tiny": "2", "unreadable": "1", "labels": "1", "confusion": "",
    }  # fmt: skip


@pytest.mark.parametrize("what", ["exact", "near", "odd", "blank", "dark", "tiny", "labels"])
def test_the_shown_command_sets_aside_what_the_list_holds(client, messy, what):
    rows = [row for row in listed(client, what) if row.get("keep") != "True"]
    page = client.get(f"{RUN}/clean/{what}").text
    if not rows:
        assert "There are none" in page
        return
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1]
    words = shlex.split(html.unescape(shown))
    chosen = select(messy.root, "run-1", where=words[words.index("--where") + 1])
    assert set(chosen.rows["path"].to_pylist()) == {row["path"] for row in rows}


def test_what_is_on_the_lists(client):
    assert [row["path"] for row in listed(client, "exact")] == ["even/0.png", "even/again.png"]
    near = {row["path"]: (row["keep"], row["change"]) for row in listed(client, "near")}
    assert near == {"even/4.png": ("True", ""), "even/half.png": ("False", "resized")}
    assert [row["path"] for row in listed(client, "dark")] == ["odd/night.png"]
    (wrong,) = listed(client, "labels")
    assert (wrong["path"], wrong["label"], wrong["majority"]) == ("odd/2.png", "odd", "even")
    (torn,) = listed(client, "unreadable")
    assert torn["path"] == "odd/=torn.png" and torn["error_code"] == "not_an_image"
    assert "not_an_image" in client.get(f"{RUN}/clean/unreadable").text


def test_a_list_goes_on_from_page_to_page(client):
    page = client.get(f"{RUN}/clean/odd?after=1").text
    assert "from the 2nd on" in page and page.count("/image/") == 1
    assert "The list ends before this page" in client.get(f"{RUN}/clean/odd?after={10**40}").text


def test_the_matrix_is_a_table_of_kinds_and_labels(client):
    page = client.get(f"{RUN}/clean/confusion").text
    assert re.findall(r'scope="col" class="label"><span>(\w+)', page) == ["even", "odd"]
    assert page.count('<th scope="row">') == 2


def test_a_matrix_of_very_many_kinds_and_labels_stays_small():
    counted = [{"cluster_id": n, "name": f"k{n}", "label": f"l{n}", "n_images": n + 1}
               for n in range(100)]  # fmt: skip
    matrix = matrix_of(counted)
    assert len(matrix.rows) == len(matrix.labels) == 61
    assert matrix.labels[0] == "l99" and matrix.labels[-1] is None
    assert matrix.rows[-1].cells[-1].n == sum(range(1, 41)) and matrix.rows[-1].cells[0].n == 0


@pytest.mark.parametrize("address", ["/clean/nothing", "/clean/nothing.csv", "/clean/../../etc"])
def test_a_list_that_is_not_there_is_a_404(client, address):
    assert client.get(f"{RUN}{address}").status_code == 404


def test_a_look_leads_to_no_other_site_and_only_known_ones_are_made(client):
    assert client.post(f"{RUN}/make/duplicates?to=//evil.example").status_code == 404
    assert client.post(f"{RUN}/make/everything?to=clean").status_code == 400


def test_a_look_that_fails_says_why(messy):
    library = Library(messy)
    shelf = library.shelf("run-1")
    for artifact in (messy.artifacts / "image_vectors").iterdir():
        artifact.rename(artifact.with_name("gone"))
    library.making.start(shelf, "map")
    job = library.making.job("run-1", "map")
    job.thread.join()
    assert job.error.startswith("the artifact image_vectors of run run-1 must be in")
    library.close()

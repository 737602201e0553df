"""A run's pages over real runs: an image and its second kind, names and marks, in any order."""

import re
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from grown import Collection
from rights import bound_by_permissions
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.safety import Guard
from sortal.storage.workspace import Workspace

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> tuple[Collection, list[str]]:
    """Two runs: cats, dogs and boats; then more cats, frogs, and no boat."""
    pets = Collection(tmp_path_factory.mktemp("run-pages"))
    pets.add(cat=30, dog=25, boat=20)
    runs = [pets.run(3)]
    pets.remove("boat")
    pets.add(cat=5, frog=20)
    runs.append(pets.run(3))
    return pets, [run.run_id for run in runs]


@pytest.fixture(scope="module")
def client(grown):
    """A browser of this machine."""
    library = Library(Workspace(grown[0].root / "workspace"))
    app = make_app(library, Guard(frozenset({"127.0.0.1"})))
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client
    library.close()


@pytest.fixture(scope="module")
def kinds(grown) -> dict[str, int]:
    """The stable id of each kind of the newest run, by its images' first letters."""
    pets, runs = grown
    query = "SELECT key, cluster_id FROM assignments JOIN cluster_names USING (run_id, cluster)"
    return {k.split("-")[0]: n for k, n in pets.rows(f"{query} WHERE run_id = ?", runs[1])}


def keys(text: str) -> list[str]:
    return re.findall(r'/image/([a-z]+-\d+)"', text)


def post(client, address: str, **fields: str):
    return client.post(address, content=urlencode(fields), headers=FORM)


def test_an_image_has_its_kind_a_second_one_and_its_neighbours(client, kinds):
    page = client.get("/run/latest/image/cat-00003").text
    assert "Second comes" in page and "What was compared is made of" in page
    assert page.count(f"/kind/{kinds['cat']}") >= 2
    assert re.search(r'rel="(prev|next)"', page)
    assert "In other runs" in page and "Clean up" in page


def test_an_image_is_told_from_none(client):
    for key in ("nope", "../../etc/passwd", "%2e%2e%2fetc", "'; DROP TABLE runs --"):
        assert client.get(f"/run/latest/image/{key}").status_code == 404


def test_a_kind_is_ordered_by_nearness_to_another(client, grown, kinds):
    import numpy as np

    pets, _ = grown
    here = f"/run/latest/kind/{kinds['cat']}?order=near&near="
    found = keys(client.get(f"{here}{kinds['dog']}").text)
    assert len(set(found)) == 35 and all(key.startswith("cat") for key in found)
    lean = {key: pets.images[key] @ np.eye(24)[1] for key in found}  # what dogs are made of
    assert np.corrcoef(range(35), [lean[key] for key in found])[0, 1] < -0.5
    assert keys(client.get(f"{here}{kinds['frog']}").text) != found
    assert client.get(f"{here}99").status_code == 404
    assert "say which kind" in client.get(here.removesuffix("&near=")).text.lower()


def test_a_kind_is_renamed_in_place_and_gets_its_own_name_again(client, kinds):
    here = f"/run/latest/kind/{kinds['cat']}"
    own = re.search("<h1>(.*)</h1>", client.get(here).text)[1]
    answer = post(client, f"{here}/name", name="tigers <b> & co")
    assert answer.status_code == 303 and answer.headers["location"].endswith(here[-7:])
    assert "<h1>tigers &lt;b&gt; &amp; co</h1>" in client.get(here).text
    assert "tigers" in client.get("/run/latest").text
    assert post(client, f"{here}/name", name="").status_code == 303
    assert f"<h1>{own}</h1>" in client.get(here).text


def test_a_name_that_cannot_be_is_one_line_on_the_page(client, kinds):
    here = f"/run/latest/kind/{kinds['cat']}"
    taken = re.search("<h1>(.*)</h1>", client.get(f"/run/latest/kind/{kinds['dog']}").text)[1]
    answer = post(client, f"{here}/name", name=taken)
    assert answer.status_code == 400 and 'role="alert">Names must differ' in answer.text
    assert post(client, f"{here}/name", name="x" * 300).status_code == 400
    assert client.post(f"{here}/name", content=b"\xff=%zz", headers=FORM).status_code == 400
    assert client.post(f"{here}/name", content=b"a" * 30_000, headers=FORM).status_code == 400


def test_a_mark_is_seen_on_cards_in_sql_and_in_the_next_run(client, grown, kinds):
    pets, runs = grown
    here = f"/run/{runs[0]}/kind/{kinds['dog']}"
    assert post(client, f"{here}/mark", mark="to delete").status_code == 303
    assert '<span class="badge">to delete</span>' in client.get(f"/run/{runs[1]}").text
    marked = pets.rows("SELECT cluster_id FROM cluster_cards WHERE mark = 'to delete'")
    assert set(marked) == {(kinds["dog"],)}
    assert post(client, f"{here}/mark", mark="burnt").status_code == 400
    assert post(client, f"{here}/mark", mark="").status_code == 303
    assert pets.rows("SELECT count(*) FROM marks") == [(0,)]


def test_a_workspace_that_can_only_be_read_says_so_in_one_line(grown, kinds):
    pets, _ = grown
    lake = pets.root / "workspace" / "lake"
    places = [lake, *lake.rglob("*")]
    with bound_by_permissions():
        modes = [(place, place.stat().st_mode) for place in places]
        for place, mode in modes:
            place.chmod(mode & ~0o222)
        try:
            library = Library(Workspace(pets.root / "workspace"))
            client = TestClient(
                make_app(library, Guard(frozenset({"127.0.0.1"}))), base_url="http://127.0.0.1"
            )
            answer = post(client, f"/run/latest/kind/{kinds['dog']}/mark", mark="done")
            library.close()
        finally:
            for place, mode in modes:
                place.chmod(mode)
    assert answer.status_code == 400
    assert 'role="alert">Names and marks need a workspace that can be written' in answer.text


def test_a_run_whose_vectors_are_gone_is_shown_and_says_so(grown, tmp_path):
    import shutil

    root = tmp_path / "workspace"
    shutil.copytree(grown[0].root / "workspace", root)
    shutil.rmtree(root / "artifacts" / "fused")
    shutil.rmtree(root / "artifacts" / "search_index", ignore_errors=True)
    shutil.rmtree(root / "vectors")
    library = Library(Workspace(root))
    app = make_app(library, Guard(frozenset({"127.0.0.1"})))
    client = TestClient(app, base_url="http://127.0.0.1")
    page = client.get("/run/latest/image/cat-00003")
    assert page.status_code == 200
    assert "are gone" in page.text and "gone or damaged" in page.text
    library.close()


def test_words_over_ready_made_vectors_are_answered_in_one_line(client):
    answer = client.get("/run/latest/search?q=cat")
    assert answer.status_code == 400
    assert 'role="alert">Words and pictures can be sought only where' in answer.text


def test_the_like_of_an_image_is_found_among_what_a_filter_leaves(client, kinds):
    assert client.app.state.library.seeker(client.app.state.library.run_id("latest")).ready(60)
    found = keys(client.get(f"/run/latest/search?like=cat-00001&kind={kinds['dog']}").text)
    assert found and all(key.startswith("dog") for key in found[1:])


def test_what_changed_has_newcomers_what_went_and_kinds(client, grown, kinds):
    _, runs = grown
    page = client.get("/run/latest/changes").text
    assert "New images" in page and "Gone" in page
    assert f"/run/{runs[0]}/image/boat-" in page and "frog-" in page
    assert re.search(r"boat</a></b> vanished|boat</a></b> \w+", page)
    assert len(keys(client.get("/run/latest/changes?show=new").text)) == 25
    gone = keys(client.get(f"/run/latest/changes?show=gone&against={runs[0]}").text)
    assert len(gone) == 20 and all(key.startswith("boat") for key in gone)
    back = client.get(f"/run/{runs[0]}/changes?against={runs[1]}").text
    assert "frog" in back and "of its collection" not in back
    moved = "/run/latest/changes?show=moved&origin=0&goal=1"
    assert client.get(moved).status_code == 200


def test_a_first_run_has_nothing_to_be_compared_with(client, grown):
    _, runs = grown
    assert "first run of its collection" in client.get(f"/run/{runs[0]}/changes").text
    for other in ("nope", runs[0], "' OR 1=1 --"):
        answer = client.get(f"/run/{runs[0]}/changes", params={"against": other})
        assert answer.status_code == 404
    assert client.get(f"/run/{runs[1]}/changes?show=stolen").status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        f"kind/0?after={10**40}",
        "kind/0?after=-1",
        f"kind/0?order=near&near={10**40}",
        f"kind/{10**40}",
        f"search?kind={10**40}",
        "search?label=%00%ff",
        f"changes?show=new&after={10**40}",
        f"export?count={10**40}",
        f"image/{'a' * 2000}",
    ],
)
def test_no_number_or_text_of_an_address_breaks_a_page(client, address):
    answer = client.get(f"/run/latest/{address}")
    assert answer.status_code in (400, 404) and "<main" in answer.text

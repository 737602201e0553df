"""Search and what is taken along: words, pictures, filters; nothing of an address becomes SQL."""

import csv
import io
import re

import pyarrow.parquet as pq
import pytest
from PIL import Image

from looked_run import scene
from sortal.flows.browse.held.uploads import Uploads

KEY = re.compile(r'<li><a href="/run/[^/]+/image/([0-9a-f]+)"')
HERE = "/run/run-2/search"


@pytest.fixture(scope="module")
def ready(client):
    """A browser to whom nothing needs to be made first."""
    assert client.app.state.library.seeker("run-2").ready(120, encoder=True)
    return client


def found(client, query: str) -> list[str]:
    answer = client.get(f"{HERE}?{query}")
    assert answer.status_code == 200, answer.text
    return KEY.findall(answer.text)


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_words_find_every_image_in_the_order_of_their_cosines(ready):
    page = ready.get(f"{HERE}?q=a+red+car+%3Cb%3E").text
    scores = [float(value) for value in re.findall(r'<span class="n">(-?\d\.\d\d)</span>', page)]
    assert len(scores) == 10 and scores == sorted(scores, reverse=True)
    assert "a red car &lt;b&gt;" in page and "car <b>" not in page


def test_a_picture_is_sent_sought_and_shown(ready):
    sent = ready.post(f"{HERE}/picture", content=png(scene(3)))
    name = sent.json()["image"]
    assert len(found(ready, f"image={name}")) == 10
    assert len(found(ready, f"image={name}&q=snow&kind=10")) == 5
    shown = ready.get(f"{HERE}/picture/{name}")
    assert shown.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(shown.content)).size == (160, 120)


def test_what_is_no_picture_is_refused_in_one_line(ready):
    for data in (b"", b"<svg/>", png(scene(3))[:300]):
        answer = ready.post(f"{HERE}/picture", content=data)
        assert answer.status_code == 400 and "must be a picture" in answer.json()["error"]
    large = {"content-length": "20000001"}
    assert ready.post(f"{HERE}/picture", headers=large, content=b"x").status_code == 413
    evil = {"origin": "http://evil.example"}
    assert ready.post(f"{HERE}/picture", headers=evil, content=b"x").status_code == 403
    gone = ready.get(f"{HERE}?image=../../etc/passwd")
    assert gone.status_code == 400 and "kept no longer" in gone.text


def test_pictures_that_were_sent_are_kept_within_a_bound(monkeypatch):
    from sortal.configs.schema import ImagesConfig
    from sortal.flows.browse.held import uploads

    monkeypatch.setattr(uploads, "_HELD", 100_000)
    kept = Uploads()
    names = [kept.add(png(scene(seed)), ImagesConfig()) for seed in range(6)]
    assert kept.get(names[-1])
    assert sum(len(data) for data in kept._pictures.values()) <= 100_000
    with pytest.raises(ValueError, match="kept no longer"):
        kept.get(names[0])


def test_the_like_of_an_image_is_found_without_itself(ready):
    key = found(ready, "kind=11")[0]
    like = found(ready, f"like={key}")
    assert key not in like and len(like) == 9
    assert ready.get(f"{HERE}?like=nope").status_code == 400


def test_filters_alone_list_files_by_path(ready):
    assert len(found(ready, "kind=10")) == 6  # the copy, too
    page = ready.get(f"{HERE}?status=ok").text
    assert "torn.png" in page and "11 files, by path" in page
    assert found(ready, "status=failed") == []
    assert found(ready, "folder=nowhere") == found(ready, "from=2020-01-01") == []
    for wrong in ("kind=x", "kind=99", "from=yesterday", "to=2020-13-01"):
        answer = ready.get(f"{HERE}?{wrong}")
        assert answer.status_code == 400 and 'role="alert"' in answer.text


@pytest.mark.parametrize("name", ["label", "split", "status", "folder", "q"])
def test_no_filter_is_read_as_sql(ready, name):
    evil = "' OR 1=1; DROP TABLE runs --"
    if name != "q":
        assert found(ready, f"{name}={evil}") == []
    page = ready.get(HERE, params={name: evil, "kind": "10"})
    assert page.status_code == 200 and "' OR 1=1" not in page.text


def test_a_selection_is_taken_along_as_a_table(ready):
    whole = list(csv.DictReader(io.StringIO(ready.get("/run/run-2/export?kind=10").text)))
    assert len(whole) == 6 and {row["cluster_id"] for row in whole} == {"10"}
    answer = ready.get("/run/run-2/export?q=snow&count=3&as=parquet")
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.num_rows >= 3 and table["score"].to_pylist()[0] == max(table["score"].to_pylist())
    lines = ready.get("/run/run-2/export?as=jsonl").text.splitlines()
    assert len(lines) == 11 and '"path": "again.png"' in lines[8]
    assert ready.get("/run/run-2/export?kind=99").status_code == 404
    assert ready.get("/run/run-2/export?as=exe").status_code == 400


def test_the_command_that_exports_folders_is_one_a_shell_reads(ready):
    import shlex

    page = ready.get(f"{HERE}?kind=10&label=").text
    command = re.search("<pre>(.*)</pre>", page)[1]
    words = shlex.split(command)
    assert words[:5] == ["sortal", "export", "run-2", "--kind", "10"]

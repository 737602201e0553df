from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from report_run import NASTY, RUN, make_run
from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Artifact
from sortal.storage.lake.lake import Lake
from sortal.tasks.report.gather import gather, pictures_per_card
from sortal.tasks.report.page import (
    PAGE,
    build,
    duration,
    percent,
    place_report,
    publish_report,
    quoted,
    render,
)
from sortal.tasks.report.step import write_report


class Page(HTMLParser):
    """The elements of a page, as (tag, attributes), and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), name=NASTY)


@pytest.fixture(scope="module")
def page(room):
    return Page(build(room, RUN))


def gathered(workspace):
    with Lake(workspace, read_only=True) as lake:
        return gather(lake, RUN)


def test_the_page_asks_the_network_for_nothing(page):
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.all("img"))
    assert all(link["href"].startswith(("#", "file:///")) for link in page.all("a"))
    style = page.text[page.text.index(":root") :]
    assert "url(" not in style and "@import" not in style


def test_every_link_inside_the_page_leads_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    files = [link["href"] for link in page.all("a") if link["href"].startswith("file:")]
    assert len({*files}) == 9 and all(
        Path(unquote(urlsplit(each).path)).is_file() for each in files
    )
    inside = {link["href"] for link in page.all("a")} - {*files}
    assert {each[1:] for each in inside} <= set(ids)
    named = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    assert named <= set(ids)


def test_what_comes_from_the_collection_is_text_and_never_markup(page):
    assert NASTY in page.text
    assert page.all("h1") == [{}]


def test_every_picture_says_what_it_is(page):
    pictures = page.all("img")
    assert len(pictures) == 9 + 9 + 9
    assert all(image["alt"] for image in pictures)


def test_headings_step_down_by_one(page):
    levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


@pytest.mark.parametrize(
    "text",
    [
        "9 images", "1 min 23 s", RUN, "50.0\u202f%", "12.5\u202f%", "ends too early",
        "transport, nouns", "transport, captions", "A dog runs", "40\u202f%", "max_pixels",
        "8.0e-05",
    ],
)  # fmt: skip
def test_the_page_says(page, text):
    assert text in page.text


def test_without_labels_nothing_is_said_of_agreement(tmp_path):
    page = Page(build(make_run(tmp_path, labelled=False, weights=False), RUN))
    assert "Agreement" not in page.text
    assert "What decided" not in page.text


def test_images_that_are_gone_or_changed_are_placeholders(tmp_path):
    workspace = make_run(tmp_path)
    (tmp_path / "images" / "0.png").unlink()
    (tmp_path / "images" / "1.png").write_bytes(b"something else")
    page = Page(build(workspace, RUN))
    gone = [a for tag, a in page.elements if tag == "span" and a.get("class") == "gone"]
    assert len(gone) == 2 * 3
    assert all(a["role"] == "img" and a["aria-label"] for a in gone)


def test_without_any_image_file_the_cards_list_paths(tmp_path):
    page = Page(build(make_run(tmp_path, source=str(tmp_path / "nowhere")), RUN))
    assert not page.all("img")
    assert "8.png" in page.text


def test_images_that_moved_are_found_where_the_caller_says(tmp_path):
    workspace = make_run(tmp_path, source=str(tmp_path / "nowhere"))
    assert Page(build(workspace, RUN, str(tmp_path / "images"))).all("img")


def test_an_unnamed_kind_says_so_and_the_page_says_what_names_mean(tmp_path):
    page = Page(build(make_run(tmp_path, name=None), RUN))
    assert "unnamed: 3 images like these" in page.text
    assert "1 of 3 kinds is unnamed" in page.text
    assert "learnt 1,000 kinds of things from photos" in page.text
    assert "the largest with a name are kind 1 and kind 2" in " ".join(page.text.split())


def test_empty_clusters_and_single_images_have_a_page(tmp_path):
    workspace = make_run(tmp_path, n_images=2, n_clusters=3)
    data = gathered(workspace)
    assert [cluster.size for cluster in data.clusters] == [1, 1, 0]
    assert data.n_cards == 2 and data.typical == []
    assert "kind 2" in Page(build(workspace, RUN)).text


def test_the_largest_clusters_come_first_and_shares_sum_to_one(tmp_path):
    data = gathered(make_run(tmp_path, n_images=8))
    assert [cluster.size for cluster in data.clusters] == [3, 3, 2]
    assert sum(cluster.share for cluster in data.clusters) == pytest.approx(1)
    assert data.unusual[0].distance == pytest.approx(0.9)
    assert data.typical[0].distance == pytest.approx(0.1)


def test_the_queries_it_offers_run(room, page):
    queries = page.text[page.text.index("-- one kind") : page.text.index("Made by Sortal")]
    with Lake(room, read_only=True) as lake:
        answers = [lake.query(query) for query in queries.strip().rstrip(";").split(";\n")]
    assert [len(answer) > 0 for answer in answers] == [True, True, True]


def test_a_page_of_fifty_clusters_of_noise_stays_small(tmp_path):
    page = build(make_run(tmp_path, n_images=400, n_clusters=50), RUN)
    assert len(page) < 5_000_000  # noise is three times as large as a photograph
    assert pictures_per_card(10) > pictures_per_card(50) > pictures_per_card(150) > 0


def test_a_report_is_published_whole_under_the_run_id(room):
    path = publish_report(room, RUN)
    assert path == room.reports / f"{RUN}.html"
    assert [file.name for file in room.reports.iterdir()] == [path.name]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_step_writes_the_same_page(room):
    run = Artifact(kind="run", fingerprint="f", identity="f", facts={"run_id": RUN})
    source = str(room.root.parent / "images")
    report = write_report(room, run=run, source=source)
    placed = place_report(room, RUN, report)
    assert placed.read_bytes() == report.file(room, PAGE).read_bytes()
    assert placed.read_text(encoding="utf-8") == build(room, RUN)


def test_an_unknown_run_is_the_users_mistake(room):
    with pytest.raises(UsageError, match="no-such-run"):
        publish_report(room, "no-such-run")


def test_rendering_depends_on_its_arguments_alone(room):
    data = gathered(room)
    assert render(data, {}) == render(data, {})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "n/a"), (0.04, "0.0 s"), (9.96, "10 s"), (59.7, "1 min 0 s"), (83, "1 min 23 s"),
     (7800, "2 h 10 min"), (3599.9, "1 h 0 min")],
)  # fmt: skip
def test_durations_read_like_speech(seconds, text):
    assert duration(seconds) == text


def test_small_shares_are_never_said_to_be_nothing():
    assert percent(0.0001) == "<1\u202f%"
    assert percent(0.0) == "0\u202f%"
    assert percent(float("nan")) == percent(None) == "n/a"


def test_quotes_are_doubled_in_sql():
    assert quoted("it's") == "'it''s'"

import io
import json
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from sortal.configs.errors import UsageError
from sortal.storage.artifacts import Artifact
from sortal.storage.hashing import hash_bytes
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.report.data import gather, pictures_per_card
from sortal.tasks.report.page import (
    PAGE,
    build,
    duration,
    markdown_summary,
    percent,
    place_report,
    publish_report,
    quoted,
    render,
    summary,
)
from sortal.tasks.report.step import write_report

RUN = "20261123-041200-7f3a"
NASTY = "<script>alert('x')</script> \"it's\" & |pipe|"
TERMS = {"dog": 0.4, "puppy": 0.2}
FIGURES = {
    "acc": 0.5, "nmi": 0.25, "ari": 0.125, "purity": 0.75, "n_labelled": 9,
    "seconds.scan": 1.5, "peak_mb.scan": 300, "seconds.noun.transport": 4,
    "peak_mb.noun.transport": 400,
    "seconds.caption.transport": 3, "peak_mb.caption.transport": 410,
    "noun.transport.n_iter": 41, "noun.transport.converged": 1,
    "noun.transport.marginal_error": 8e-5,
    "caption.transport.n_iter": 500, "caption.transport.converged": 0,
    "caption.transport.marginal_error": 3e-3,
}  # fmt: skip


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


def make_images(folder, count):
    folder.mkdir()
    keys, rng = [], np.random.default_rng(0)
    for i in range(count):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(out, "PNG")
        (folder / f"{i}.png").write_bytes(out.getvalue())
        keys.append(hash_bytes(out.getvalue()))
    return keys


def make_run(root, n_images=9, n_clusters=3, labelled=True, name="dog", source=None, weights=True):
    """A run in a lake, over images in `root/images`; cluster ids go round."""
    workspace = Workspace(root / "workspace").create()
    keys = make_images(root / "images", n_images)
    cluster = np.arange(n_images) % n_clusters
    members = [[k for k, c in zip(keys, cluster, strict=True) if c == i] for i in range(n_clusters)]
    one = pa.array([RUN] * n_images)
    w = pa.array([0.5 if weights else None] * n_images, pa.float32())
    tables = {
        "images": {
            "scan": ["s"] * n_images, "collection": [NASTY] * n_images,
            "path": [f"{i}.png" for i in range(n_images)], "key": keys,
            "label": pa.array(["x" if labelled else None] * n_images, pa.string()),
            "status": ["ok"] * n_images,
        },
        "failures": {
            "scan": ["s"] * 2, "collection": [NASTY] * 2, "path": ["bad.png", NASTY],
            "error_code": ["truncated"] * 2, "error": ["ends too early"] * 2,
        },
        "assignments": {
            "run_id": one, "key": keys, "cluster": pa.array(cluster, pa.int32()),
            "distance": pa.array(np.linspace(0.1, 0.9, n_images), pa.float32()),
            "w_image": w, "w_noun": w, "w_caption": pa.array([0] * n_images, pa.float32()),
        },
        "clusters": {
            "run_id": [RUN] * n_clusters, "cluster": pa.array(range(n_clusters), pa.int32()),
            "name": [name, *(f"kind {i}" for i in range(1, n_clusters))],
            "size": [len(keys) for keys in members],
            "caption": pa.array(["A dog runs ."] + [None] * (n_clusters - 1), pa.string()),
            "mean_distance": pa.array([0.3] * n_clusters, pa.float32()),
            "representatives": pa.array(members, pa.list_(pa.string())),
        },
        "cluster_terms": {
            "run_id": [RUN] * 2, "cluster": [0, 0], "corpus": ["noun"] * 2, "rank": [1, 2],
            "term": list(TERMS), "mass": list(TERMS.values()), "score": [0.2, 0.1],
        },
        "metrics": {
            "run_id": [RUN] * len(FIGURES), "name": list(FIGURES),
            "value": [float(v) for v in FIGURES.values()],
        },
    }  # fmt: skip
    if not labelled:
        tables["metrics"] = {"run_id": ["another"], "name": ["acc"], "value": [1.0]}
    now = datetime(2026, 11, 23, 4, 12)
    row = {
        "run_id": RUN, "fingerprint": "f", "collection": NASTY, "scan": "s",
        "source": source or str(root / "images"), "method": "cae", "encoder": "conse",
        "encoder_fingerprint": "e", "n_clusters": n_clusters, "n_images": n_images, "n_failed": 2,
        "random_state": 0, "config": json.dumps({"images": {"max_pixels": 10**6}, "n": NASTY}),
        "started_at": now, "finished_at": now, "seconds": 83.0, "sortal_version": "0.1.0",
        "labels_used": False,
        "protocol": "whole",
    }  # fmt: skip
    with Lake(workspace) as lake:
        lake.publish(row, {name: pa.table(table) for name, table in tables.items()})
    return workspace


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
    assert all(link["href"].startswith("#") for link in page.all("a"))
    style = page.text[page.text.index(":root") :]
    assert "url(" not in style and "@import" not in style


def test_every_link_inside_the_page_leads_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
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


def test_the_summary_is_one_markdown_table_without_markup(room):
    text = summary(room, RUN)
    assert text == markdown_summary(gathered(room))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert all(row.replace("\\|", "").count("|") == 5 for row in rows)
    assert "<script" not in text


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

"""Names in Prefect's pages say no more than the name."""

import re

import pytest

from sortal.flows.pages.artifacts import link_to
from sortal.flows.pages.labels import label
from sortal.flows.pages.text import markdown


@pytest.mark.parametrize(
    "name",
    ["[click](javascript:alert(2))", "<img src=x onerror=alert(1)>", "**bold** _it_ `code` ~~no~~",
     "![x](http://a/b.png)", "a|b", "&lt;b&gt;", "# head", "- item", "1. one", "\\[a](b)"],
)  # fmt: skip
def test_markup_is_escaped(name):
    text = markdown(name)
    assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]<>`*_|~&]", text)
    assert not re.match(r"[#+-]|\d+[.)]", text)
    assert re.sub(r"\\(.)", r"\1", text) == name


@pytest.mark.parametrize("name", ["horse", "Car, bird (2).png", "vectors:/data/x", "写真 é", "a-b"])
def test_a_plain_name_stays_as_it_is(name):
    assert markdown(name) == name


def test_control_characters_are_shown_and_not_obeyed():
    assert markdown("a\x1b[31m\nb\u202e") == "a\\\\x1b\\[31m\\\\nb\\\\u202e"


def test_a_report_is_a_link_where_reports_are_served_and_else_a_path(monkeypatch, tmp_path):
    page = tmp_path / "r 1.html"
    monkeypatch.delenv("SORTAL_REPORTS_URL", raising=False)
    assert link_to(page).startswith("Report: /") and "file:" not in link_to(page)
    monkeypatch.setenv("SORTAL_REPORTS_URL", "https://host/reports/")
    assert link_to(page) == "[Report](https://host/reports/r%201.html)"


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("noun.text_vectors", "embed nouns"),
        ("caption.text_vectors", "embed captions"),
        ("train.image_vectors", "embed images of the train split"),
        ("train.noun.transport", "transport to nouns of the train split"),
        ("view.title", "embed modality title"),
        ("view.title.texts", "read modality title"),
        ("partition", "find clusters"),
        ("something.new", "something new"),
    ],
)
def test_steps_are_called_by_what_they_do(role, name):
    assert label(role) == name

"""The page of a run in a real browser, and the picture of it in README."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from PIL import Image

from browser import browser
from report_run import NASTY, RUN, make_run
from sortal.configs.errors import RunError
from sortal.flows.operations import pdf
from sortal.tasks.report.page import publish_report

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return publish_report(make_run(tmp_path_factory.mktemp("run"), name=NASTY), RUN)


@pytest.mark.parametrize("width", [1200, 360])
def test_a_browser_shows_the_page_without_complaint_and_without_scrolling_sideways(written, width):
    with browser() as shown:
        shown.open(written, width)
        assert shown.complaints == []
        assert shown.value("[...document.images].every(i => i.complete && i.naturalWidth)")
        assert shown.value("document.images.length") >= 9
        assert shown.value("document.documentElement.scrollWidth") <= width


def test_the_page_is_printed_as_pdf_by_the_browser_or_one_line_says_why_not(written, monkeypatch):
    if pdf.browser():
        assert pdf.print_page(written).read_bytes().startswith(b"%PDF")
    monkeypatch.setattr(pdf, "browser", lambda: None)
    with pytest.raises(RunError, match="--pdf needs Chromium or Chrome.*print it: .*html"):
        pdf.print_page(written)


def test_the_picture_in_the_readme_is_made_by_its_script(written, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # others test small limits
    spec = spec_from_file_location("draw_report", ROOT / "docs" / "draw_report.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    if not script.browser():
        pytest.skip("Chromium is not installed")
    workspace = written.parents[1]
    script.draw(script.newest(workspace), tmp_path / "report.webp", script.browser())
    with Image.open(tmp_path / "report.webp") as made, Image.open(script.PICTURE) as printed:
        assert made.size == printed.size == (script.WIDTH, script.HEIGHT)
        assert len(made.getcolors(made.width * made.height)) > 100  # more than an empty page

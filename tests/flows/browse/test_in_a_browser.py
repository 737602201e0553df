"""The pages of `sortal browse` in a real Chromium: seen, used by keys alone, and checked by axe."""

import json
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import httpx
import pytest
from PIL import Image

from browsed_site import make_runs, served
from browser import Browser, browser
from drawn import draw
from sortal.flows.browse.pages.map import script

axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
AXE = Path(axe.__file__).parent / "axe.min.js"
ROOT = Path(__file__).parents[3]
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
FOUND = "document.querySelector('[data-grid]') !== null"
GRAVE = ("serious", "critical")

PAGES = [
    "/",
    "/collection/shapes%20%26%20%3Cb%3Ecolours",
    "{run}",
    "{run}/kind/{kind}",
    "{run}/kind/{kind}?order=near&near={other}",
    "{run}/image/{key}",
    "{run}/search",
    "{run}/search?like={key}",
    "{run}/search?label=disc&status=ok",
    "{run}/changes",
    "{run}/report",
    "{run}/clean",
    *(f"{{run}}/clean/{what}" for what in ("exact", "near", "odd", "dark", "unreadable", "labels",
                                           "confusion")),
    "{run}/map/inside?lasso=-2,-2,2,-2,2,2,-2,2",
    "/ask",
    "/ask?sql=SELECT+name,size,representatives+FROM+clusters",
    "/ask?sql=FROM+nothing",
    "/nowhere",
]  # fmt: skip


@pytest.fixture(scope="module")
def shown() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def site(shown, tmp_path_factory) -> Iterator[str]:
    with served(make_runs(tmp_path_factory.mktemp("site"))) as address:
        yield address


@pytest.fixture(scope="module")
def place(site) -> dict[str, str]:
    """What addresses are made of: the newest run, two kinds of it and an image."""
    sql = (
        "SELECT run_id, min(stable_id), max(stable_id), min(representatives[1]) "
        "FROM clusters WHERE run_id = (SELECT run_id FROM newest_run) GROUP BY run_id"
    )
    answer = httpx.get(f"{site}/ask/answer.csv", params={"sql": sql}).text
    run, kind, other, key = answer.split()[1].split(",")
    return {"run": f"/run/{run}", "kind": kind, "other": other, "key": key}


def complaints(shown: Browser) -> list[str]:
    """Since the last time; a missing page is one that Chromium reports, drivers talk of speed."""
    found = [each for each in shown.complaints if '"source": "rendering"' not in each]
    shown.complaints.clear()
    return found


def arrives(shown: Browser, path: str) -> None:
    """Wait until a page is there and its script has run."""
    here = f"location.pathname.endsWith({json.dumps(path)})"
    shown.until(f"{here} && document.readyState === 'complete'")


def grave(shown: Browser, *rules: str) -> list[str]:
    """What axe finds of a page that keeps people out."""
    only = {"type": "rule", "values": list(rules)} if rules else RULES
    asked = json.dumps({"runOnly": only, "resultTypes": ["violations"]})
    found = shown.value(
        f"axe.run(document, {asked}).then(r => r.violations.map(v => "
        "[v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))]))"
    )
    return [each for each in found if each[0] in GRAVE]


def check(shown: Browser, address: str) -> None:
    """A page on a desk in the light, in the dark, and on a telephone."""
    shown.scheme("light")
    shown.open(address, 1280)
    failed = "/nowhere" in address or "FROM+nothing" in address
    assert len(complaints(shown)) == failed, address
    assert shown.value("document.documentElement.scrollWidth") <= 1280
    assert shown.value("document.querySelectorAll('h1').length") == 1
    shown.value(AXE.read_text("utf-8") + ";1")
    assert grave(shown) == [], address
    shown.scheme("dark")
    assert grave(shown, "color-contrast") == [], address
    shown.resize(320)
    assert shown.value("document.documentElement.scrollWidth") <= 320, address
    assert grave(shown, "color-contrast") == [], address
    assert complaints(shown) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_shown_without_complaint_wide_and_narrow_in_light_and_dark(
    shown, site, place, page
):
    check(shown, site + page.format(**place))
    assert complaints(shown) == []


def test_by_keys_alone_from_kinds_to_an_image_and_back(shown, site, place):
    shown.open(site + place["run"], 1280)
    focused = "document.activeElement.getAttribute('href')"
    shown.press("ArrowRight")
    first = shown.value(focused)
    shown.press("ArrowRight")
    assert shown.value(focused) != first and "/kind/" in first
    shown.press("ArrowLeft")
    assert shown.value(focused) == first
    shown.press("Enter")
    arrives(shown, first)
    shown.press("ArrowRight")
    shown.press("Enter")
    shown.until("location.pathname.includes('/image/') && document.readyState === 'complete'")
    shown.press("u")
    arrives(shown, first)
    shown.press("?")
    assert shown.value("document.getElementById('keys').open")
    shown.press("Enter")
    shown.until("!document.getElementById('keys').open")
    shown.press("/")
    assert shown.value("document.activeElement.type") == "search"
    shown.value("document.activeElement.blur()")
    shown.press("u")
    arrives(shown, place["run"])


def test_a_kind_is_renamed_and_marked_in_place(shown, site, place):
    kind = f"{place['run']}/kind/{place['kind']}"
    shown.open(site + kind, 1280)
    shown.click("input[name=name]")
    shown.value("document.activeElement.select()")
    shown.type("<i>round</i> things")
    shown.press("Enter")
    shown.until("document.querySelector('h1').textContent === '<i>round</i> things'")
    arrives(shown, kind)
    shown.value("document.querySelector('select[name=mark]').value = 'done'")
    shown.click("select[name=mark] + button")
    shown.until("document.querySelector('select[name=mark]').value === 'done'")
    arrives(shown, kind)
    shown.press("u")
    arrives(shown, place["run"])
    shown.until("document.body.textContent.includes('<i>round</i> things')")
    assert complaints(shown) == []


def test_a_search_by_words_then_by_a_picture_and_what_was_found_is_taken_along(
    shown, site, place, tmp_path
):
    shown.open(site + place["run"], 1280)
    shown.press("/")
    shown.value("document.querySelector('.quick input').focus()")
    shown.type("a red disc")
    shown.press("Enter")
    shown.until(
        "location.search.includes('q=a+red+disc') && document.querySelector('[data-grid]') !== null"
    )
    assert shown.value("document.querySelector('main input[type=search]').value") == "a red disc"
    arrives(shown, "/search")
    complaints(shown)
    (picture, *_) = draw(tmp_path, 30, 31)
    shown.choose("input[type=file]", picture)
    shown.until(
        "location.search.includes('image=') && document.querySelector('[data-grid]') !== null"
    )
    arrives(shown, "/search")
    first = shown.value("document.querySelector('[data-grid] .what').title")
    assert first.startswith("disc/")
    taken = shown.value(
        "(form => fetch(`${form.action}?${new URLSearchParams(new FormData(form))}`))"
        "(document.querySelector('form[action$=\"/export\"]')).then(answer => answer.text())"
    )
    assert taken.startswith("score,path,") and len(taken.splitlines()) > 20
    assert complaints(shown) == []


def test_ctrl_enter_asks_and_the_answer_is_on_the_page(shown, site):
    shown.open(f"{site}/ask", 1280)
    shown.click("#sql")
    shown.type("SELECT 40 + 2 AS answer")
    shown.press("Enter", control=True)
    shown.until("document.querySelector('td') !== null")
    assert shown.value("document.querySelector('td').textContent") == "42"


@pytest.mark.skipif(script() is None, reason="plotly is not installed")
def test_the_map_is_drawn_shows_a_picture_and_opens_a_lasso(shown, site, place):
    shown.open(f"{site}{place['run']}/map", 1280, 1100)
    shown.until("document.getElementById('map').dataset.drawn === 'kind'")
    assert complaints(shown) == []
    assert shown.value("document.querySelectorAll('#legend li').length") == 3
    shown.value(AXE.read_text("utf-8") + ";1")
    assert grave(shown) == []
    box = "document.getElementById('map').getBoundingClientRect()"
    x, y, wide, high = shown.value(f"[{box}.x, {box}.y, {box}.width, {box}.height]")
    at = shown.value(
        "(() => { const m = document.getElementById('map'), f = m._fullLayout, t = m._fullData[0];"
        "return [f.xaxis.d2p(t.x[0]), f.yaxis.d2p(t.y[0])]; })()"
    )
    shown.point(x + at[0] - 1, y + at[1])
    shown.point(x + at[0], y + at[1])
    shown.until("!document.getElementById('map-hover').hidden")
    shown.until("document.querySelector('#map-hover img').naturalWidth > 0")
    shown.click("[data-mode=drawclosedpath]")
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.5)]
    shown.drag([(x + wide * right, y + high * down) for right, down in corners])
    arrives(shown, "/map/inside")
    assert shown.value("document.querySelectorAll('[data-grid] li').length") > 20
    shown.open(f"{site}{place['run']}/map?by=label", 320)
    shown.until("document.getElementById('map').dataset.drawn === 'label'")
    assert shown.value("document.documentElement.scrollWidth") <= 320


def test_the_pictures_in_the_documentation_are_made_by_their_script(site, tmp_path):
    spec = spec_from_file_location("draw_browse", ROOT / "docs" / "draw_browse.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, (_, height) in script.PAGES.items():
        printed = script.IMAGES / f"{name}.webp"
        assert printed.stat().st_size <= 300_000
        with Image.open(printed) as image:
            assert image.size == (script.WIDTH, height)
    made = tmp_path / "map.webp"
    script.draw(f"{site}/run/latest/map", made, 700, script.browser())
    with Image.open(made) as image:
        assert image.size == (script.WIDTH, 700)
        assert len(image.getcolors(1_000_000)) > 100  # more than an empty page


def test_no_request_left_the_server(shown, site):
    ours = (site, "data:", "blob:", "about:", "chrome")
    assert len(shown.requests) > 50
    assert [address for address in shown.requests if not address.startswith(ours)] == []

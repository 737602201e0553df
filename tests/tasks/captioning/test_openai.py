"""The captioner `openai` against a real local server that also behaves badly."""

import email.utils
import logging
import time
from pathlib import Path

import pytest

from captioned import Captioned
from chat_server import ChatServer, good
from image_files import write
from sortal.configs.errors import RunError, TransientError, UsageError
from sortal.configs.modalities import OpenAiConfig

KEY = "sk-very-secret-0123456789"
QUICK = {"model": "tiny", "backoff": 0.001, "timeout": 5.0, "retries": 2, "concurrency": 4}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def ask(workspace, source, config, monkeypatch):
    """Caption the 14 images by a server that says what `say` says."""

    def asked(say, **settings):
        with ChatServer(say) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            found = None
            try:
                found = Captioned(workspace, source, config, OpenAiConfig(**(QUICK | settings)))
            finally:
                asked.server = server
        return found

    return asked


def test_every_image_is_described_once_and_new_ones_alone_the_next_time(ask, source):
    def say(number, picture):
        time.sleep(0.05)
        return f"Answer: a picture\nof {picture.width} pixels"

    found = ask(say)
    assert found.texts == ["a picture of 12 pixels"] * 14 and found.codes == [None] * 14
    assert {row["captioner"] for row in found.rows} == {"openai:tiny"}
    assert len(ask.server.asked) == 14 and max(ask.server.seen.values()) == 1
    assert ask.server.keys == {f"Bearer {KEY}"} and 1 < ask.server.most <= 4
    request = ask.server.asked[0]
    assert request["path"] == "/v1/chat/completions" and request["model"] == "tiny"
    assert request["max_tokens"] == 64 and request["temperature"] == 0
    write(source / "new.png", seed=99)
    again = ask(lambda number, picture: "a new picture")
    assert len(ask.server.asked) == 1
    assert sorted(again.texts)[:2] == ["a new picture", "a picture of 12 pixels"]


def test_large_pictures_are_sent_small_and_the_body_can_be_changed(ask, source):
    write(source / "large.png", seed=50, size=(400, 100))
    sizes = []

    def say(number, picture):
        sizes.append(picture.size)
        return "a thing"

    ask(say, image_side=64, body={"max_tokens": None, "max_completion_tokens": 9})
    assert (64, 16) in sizes and max(map(max, sizes)) == 64
    assert "max_tokens" not in ask.server.asked[0]
    assert ask.server.asked[0]["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ((200, b"<html>not JSON</html>"), "bad_answer"),
        ((200, b'{"choices": []}'), "bad_answer"),
        ((200, b"[1, 2]"), "bad_answer"),
        ((200, b""), "bad_answer"),
        ((200, good("  ...  ")), "empty_caption"),
        ((200, good("\ud800")), "empty_caption"),  # half of a pair
        ((200, b'{"choices": [{"message": {"content": null}}]}'), "empty_caption"),
        ((429, b"slow down"), "rate_limited"),
        ((500, b"oops"), "server_error"),
        ((400, b"too odd"), "refused"),
    ],
)
def test_a_bad_answer_is_a_row_and_the_others_have_their_captions(ask, bad, code):
    pictures = []

    def say(number, picture):
        pictures.append(picture.tobytes())
        return "a good one"

    def one(number, picture):
        return (*bad, {}) if picture.tobytes() == pictures[3] else "a good one"

    ask(say, concurrency=1)
    found = ask(one, concurrency=1, prompt="another question")
    assert sorted(found.codes, key=str) == [None] * 13 + [code]
    assert found.texts.count("a good one") == 13
    tries = ask.server.seen[pictures[3]]
    assert tries == (1 if code in ("empty_caption", "refused") else 3)
    again = ask(one, concurrency=1, prompt="another question")
    assert (len(ask.server.asked) > 0) == (code not in ("empty_caption", "refused"))
    assert again.artifact.identity == found.artifact.identity


def test_what_passes_is_tried_again_until_it_is_good(ask):
    broken = [(500, b"", {}), (200, b"{", {}), (429, b"", {"Retry-After": "0.01"})]

    def say(number, _):
        return broken[number - 1] if number <= 3 else "fine again"

    found = ask(say, retries=3)  # all three may meet one image
    assert found.texts == ["fine again"] * 14 and len(ask.server.asked) == 17


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_asks_for_a_pause_gets_it(ask, form):
    times = []

    def say(number, _):
        times.append(time.monotonic())
        if number > 1:
            return "a thing"
        wait = "1" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
        return (429, b"", {"Retry-After": wait})

    ask(say, concurrency=1, max_wait=1.5)
    assert times[1] - times[0] > 0.9


def test_a_slow_answer_is_a_row(ask):
    def say(number, picture):
        if number == 3:
            time.sleep(0.6)
        return "in time"

    found = ask(say, timeout=0.3, retries=0, concurrency=1)
    assert sorted(found.codes, key=str) == [None] * 13 + ["timeout"]


@pytest.mark.parametrize("status", [401, 404])
def test_a_key_or_model_that_the_server_does_not_know_stops_at_once_in_one_line(ask, status):
    body = f'{{"error": "no such thing for {KEY}"}}'.encode()
    with pytest.raises(RunError, match=rf"127.0.0.1:\d+ must know the key.*HTTP {status}") as error:
        ask(lambda number, _: (status, body, {}))
    assert KEY not in str(error.value) and "\n" not in str(error.value)
    assert len(ask.server.asked) <= 5


def test_a_server_that_is_not_there_is_one_line(workspace, source, config, monkeypatch):
    with ChatServer(str) as server:
        url = server.url
    monkeypatch.setenv("OPENAI_BASE_URL", url.replace("//", f"//me:{KEY}@"))
    with pytest.raises(TransientError, match="must answer.*run again to go on") as error:
        Captioned(workspace, source, config, OpenAiConfig(**QUICK))
    assert KEY not in str(error.value)


def test_a_server_that_dies_stops_the_run_and_what_it_said_is_kept(ask):
    def dying(number, _):
        return "still well" if number <= 6 else (503, b"", {})

    with pytest.raises(TransientError, match="HTTP 503"):
        ask(dying, concurrency=1, retries=0, give_up_after=3, shard_size=2)
    found = ask(lambda number, _: "well again", shard_size=2)
    assert len(ask.server.asked) == 8
    assert found.texts.count("still well") == 6 and found.texts.count("well again") == 8


def test_a_server_that_refuses_every_image_stops_and_none_is_held_to_blame(ask):
    with pytest.raises(RunError, match="HTTP 400: no images"):
        ask(lambda number, _: (400, b"no images", {}), give_up_after=5)
    assert ask(lambda number, _: "now it can").texts == ["now it can"] * 14


def test_the_key_is_in_no_log_and_no_file(ask, workspace, caplog):
    caplog.set_level(logging.DEBUG)

    def say(number, _):
        return (400, f"bad {KEY}".encode(), {}) if number == 5 else f"my key is {KEY}"

    found = ask(say, concurrency=1)
    assert KEY not in caplog.text
    assert found.texts.count("my key is ***") == 13
    for path in filter(Path.is_file, workspace.root.rglob("*")):
        assert KEY.encode() not in path.read_bytes()
    assert KEY not in str(found.rows)


def test_settings_that_cannot_work_are_refused(workspace, source, config, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UsageError, match="OPENAI_BASE_URL; got none"):
        Captioned(workspace, source, config, OpenAiConfig(model="m"))
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000")
    with pytest.raises(UsageError, match="got no http:// or https:// address"):
        Captioned(workspace, source, config, OpenAiConfig(model="m"))
    with pytest.raises(UsageError, match="captioner.openai.model must name"):
        Captioned(workspace, source, config, OpenAiConfig())


def test_an_image_file_that_is_gone_is_a_row(ask, source):
    def say(number, _):
        if number == 1:
            (source / "13.png").unlink()
        return "seen"

    found = ask(say, concurrency=1)
    assert sorted(found.codes, key=str) == [None] * 13 + ["unreadable"]

"""Names that an endpoint writes, through the flow: asked once, checked, stable, never required."""

import json
import shutil
from pathlib import Path

import pytest

from chat_server import ChatServer, pictures_of, text_of
from drawn import picture
from named_drawings import KEY, RIGHT, Drawings, kind_of, saying
from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.operations.delete import delete
from sortal.flows.operations.lineage import rename
from sortal.flows.recluster import recluster
from sortal.flows.run.check import check
from sortal.flows.terminal.plan import show_plan
from sortal.tasks.report.page import publish_report


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A workspace in which the drawings were sorted without a writer."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        drawings = Drawings(tmp_path_factory.mktemp("begun"), monkeypatch)
        recluster.fn(drawings.config(writer="none"))
        return drawings.folder.parent


@pytest.fixture
def drawings(begun, tmp_path, monkeypatch):
    found = Drawings(tmp_path, monkeypatch)
    for kept in ("vectors", "artifacts"):
        shutil.copytree(begun / "w" / kept, found.workspace.root / kept)
    return found


def test_names_are_asked_of_terms_and_typical_images_and_stand_everywhere(drawings):
    result, server = drawings.run(saying(RIGHT))
    assert drawings.names(result) == {k: (name, "openai:tiny") for k, name in RIGHT.items()}
    assert server.keys == {f"Bearer {KEY}"} and len(server.asked) == 3
    for request in server.asked:
        words = text_of(request)
        assert request["model"] == "tiny" and len(pictures_of(request)) == 4
        assert kind_of(words) not in words and ".png" not in words  # no path, no label
    sure = drawings.rows("SELECT min(name_confidence), max(name_confidence) FROM cluster_cards")
    assert sure[0][0] > 0.9 and sure[0][1] < 0.94  # 14 / 15: there are 14 images
    page = publish_report(drawings.workspace, result.run_id).read_text("utf-8")
    assert "ping-pong ball" in page and "a name written by openai:tiny" in page
    assert "3 names were written by openai:tiny, and checked by the encoder." in page
    assert "A name written by openai:tiny" in drawings.browsed(f"/run/{result.run_id}/kind/0")
    for path in filter(Path.is_file, drawings.workspace.root.rglob("*")):
        assert KEY.encode() not in path.read_bytes()


def test_what_was_answered_is_never_asked_again(drawings):
    first, _ = drawings.run(saying(RIGHT))
    again, server = drawings.run(saying(RIGHT))
    assert again.run_id == first.run_id and not server.asked
    _, server = drawings.run(saying(RIGHT), writer="openai:another")
    assert len(server.asked) == 3


def test_without_lineage_answers_are_kept_as_well(drawings):
    first, server = drawings.run(saying(RIGHT), "lineage.enabled=false")
    assert len(server.asked) == 3
    assert drawings.names(first)["disc"] == ("ping-pong ball", "openai:tiny")
    least = "naming.min_written=0.95"  # more than 14 images can give
    other, server = drawings.run(saying(RIGHT), "lineage.enabled=false", least)
    assert not server.asked
    assert {row[3] for row in drawings.written(other).values()} == {"does_not_fit"}


def test_a_cluster_that_goes_on_keeps_the_name_that_was_written_for_it(drawings):
    first, _ = drawings.run(saying(RIGHT))
    for number in (14, 15):
        picture(drawings.folder / f"disc-{number}.png", "disc", number)
    grown, server = drawings.run(saying(dict.fromkeys(RIGHT, "quite another")))
    assert not server.asked
    assert drawings.names(grown) == {k: (name, "openai:tiny") for k, name in RIGHT.items()}
    assert all(kept for _, _, kept, _, _ in drawings.written(grown).values())
    later, _ = drawings.run(None, writer="none")
    assert drawings.names(later) == drawings.names(grown)
    delete(drawings.workspace.root, first.run_id)  # whose names it has
    assert not drawings.damage() and {by for _, by in drawings.names(grown).values()} == {
        "openai:tiny"
    }


def test_a_writer_may_come_later_to_clusters_with_ids_and_names(drawings):
    settings = ("naming.min_confidence=0.1",)
    found, _ = drawings.run(None, *settings, writer="none")
    names = drawings.names(found)
    assert names["bar"][0].startswith("clock")
    picture(drawings.folder / "disc-14.png", "disc", 14)
    written, server = drawings.run(saying(RIGHT), *settings)
    assert len(server.asked) == 3
    assert drawings.names(written) == {k: (name, "openai:tiny") for k, name in RIGHT.items()}
    ids = "SELECT count(DISTINCT cluster_id), count(*) FROM cluster_names"
    assert drawings.rows(ids) == [(3, 6)]
    warm = "SELECT value FROM metrics WHERE name = 'partition.warm' AND run_id = $run"
    assert drawings.rows(warm, run=written.run_id) == [(1,)]


HOSTILE = [
    [("a" * 10_000, "too_long"), ("<script>alert(1)</script>\x1b[31m", "not_a_name"),
     ((400, b"too <b>odd</b>", {}), "refused")],
    [((200, rb'{"choices": [{"message": {"content": "\ud800"}}]}', {}), "not_a_name"),
     ((500, b"oops", {}), "server_error"), ("screen", None)],
]  # fmt: skip


@pytest.mark.parametrize("said", HOSTILE)
def test_an_answer_that_is_no_name_is_a_row_and_the_found_name_stays(drawings, said):
    kinds = ("disc", "bar", "square")
    plain = drawings.names(drawings.run(None, writer="none")[0])
    result, _ = drawings.run(
        saying({k: answer for k, (answer, _) in zip(kinds, said, strict=True)})
    )
    named, rows = drawings.names(result), drawings.written(result)
    for kind, (_, code) in zip(kinds, said, strict=True):
        answer, _, _, refused, _ = rows[kind]
        assert refused == code and len(answer or "") <= 200 and (answer or "").isprintable()
        assert (named[kind] == plain[kind]) == (code is not None)
    page = publish_report(drawings.workspace, result.run_id).read_text("utf-8")
    assert "<script>alert(1)" not in page and "too <b>odd" not in page and "aaaaaaaa" not in page


def test_of_equal_names_one_stays(drawings):
    result, _ = drawings.run(saying({"square": "Screen", "disc": "screens", "bar": "screen"}),
                             "naming.min_written=0")  # fmt: skip
    codes = {kind: row[3] for kind, row in drawings.written(result).items()}
    assert codes == {"square": None, "disc": "taken", "bar": "taken"}
    names = [name for name, _ in drawings.names(result).values()]
    assert len({name.casefold() for name in names}) == 3


@pytest.mark.parametrize("status", [None, 401])
def test_a_server_that_is_down_is_one_line_and_asked_again_by_the_next_run(
    drawings, status, caplog
):
    say = status and (lambda words: (status, f"no, {KEY}".encode(), {}))
    result, _ = drawings.run(say)
    assert {by for _, by in drawings.names(result).values()} == {None}
    lines = [each.getMessage() for each in caplog.records]
    (line,) = (each for each in lines if "not answered" in each)
    assert "3 of 3 questions" in line and "the found names stay" in line and KEY not in line
    assert (f"HTTP {status}" if status else "unreachable") in line and "\n" not in line
    after, server = drawings.run(saying(RIGHT))
    assert len(server.asked) == 3 and after.run_id != result.run_id
    assert drawings.names(after)["bar"] == ("envelope", "openai:tiny")
    assert drawings.damage() == []


def test_a_pinned_name_wins_and_what_was_written_is_there_without_it(drawings):
    result, _ = drawings.run(saying(RIGHT))
    rename(drawings.workspace.root, "envelope", "blue bars", None)
    picture(drawings.folder / "disc-14.png", "disc", 14)
    grown, _ = drawings.run(saying(RIGHT))
    assert drawings.names(grown)["bar"] == ("blue bars", None)
    rename(drawings.workspace.root, "blue bars", None, None)
    assert drawings.names(grown)["bar"] == ("envelope", "openai:tiny")


def test_images_that_cannot_be_read_are_not_shown_and_words_do(drawings):
    def say(words):
        for path in drawings.folder.glob("*.png"):
            path.write_bytes(b"changed since")
        return RIGHT[kind_of(words)]

    _, server = drawings.run(say, "naming.openai.concurrency=1")
    shown = [len(pictures_of(request)) for request in server.asked]
    assert shown == [4, 0, 0] and "go by the words" in text_of(server.asked[1])


def test_a_dry_run_says_who_is_asked_and_asks_nobody(drawings, monkeypatch, capsys):
    with ChatServer(saying(RIGHT), of_words=True) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        show_plan(drawings.config())
        said = capsys.readouterr().out
        show_plan(drawings.config(), as_json=True)
        plan = json.loads(capsys.readouterr().out)
        assert not server.asked
    host = server.url.split("/")[2]
    assert f"names: 3 clusters' names will be asked of openai:tiny at {host}" in said
    assert plan["writer"] == {"writer": "openai:tiny", "host": host, "names": 3, "images": 4}
    assert KEY not in said


@pytest.mark.parametrize(
    ("values", "settings", "rule"),
    [
        ({}, ["naming.writer=gpt"], "must be none or openai:MODEL, got 'gpt'"),
        ({}, ["nouns.source=none"], "needs kinds that are found and nouns.*nouns.source=none"),
        (
            {"method": "zero-shot", "n_clusters": None},
            ["classes.names=labels"],
            "got classes.names",
        ),
        ({}, [], "naming.openai needs the server's address.*OPENAI_BASE_URL; got none"),
    ],
)
def test_settings_that_cannot_work_are_refused(drawings, monkeypatch, values, settings, rule):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    given = {"source": str(drawings.folder), "n_clusters": 3, "method": "kmeans"} | values
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(UsageError, match=rule):
        check(make_config(given, ["naming.writer=openai:tiny", *settings]))


def test_ready_made_vectors_cannot_check_a_name(clip, tmp_path):
    values = {"source": f"vectors:{clip}", "n_clusters": 3, "method": "kmeans"}
    config = make_config(values | {"workspace": tmp_path}, ["naming.writer=openai:tiny"])
    with pytest.raises(UsageError, match=r"an encoder that embeds any text.*vectors:") as error:
        recluster.fn(config)
    assert "\n" not in str(error.value)

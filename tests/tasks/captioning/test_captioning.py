"""Captioners that need no server: nearest, coca, given; and that no caption is made twice."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from captioned import Captioned
from embedded import embed
from executors import InParts
from image_files import write
from sortal.configs.errors import UsageError
from sortal.configs.modalities import CocaConfig, GivenConfig, NearestConfig
from sortal.configs.schema import CaptionsConfig
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora.step import load_captions
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.encoders.base import PLAIN
from sortal.tasks.encoders.registry import describe
from sortal.tasks.executor.current import using
from sortal.tasks.executor.local import LocalExecutor
from tiny_clip import tiny, tiny_coca


@pytest.fixture(scope="module")
def coca(tmp_path_factory):
    return tiny_coca(tmp_path_factory.mktemp("coca"))


@pytest.fixture
def corpus(workspace, tmp_path, config):
    """A corpus of captions and its vectors."""
    file = tmp_path / "captions.txt"
    file.write_text("\n".join(f"a {w} that stands there" for w in ("cat", "boat", "tree", "sofa")))
    texts = load_captions(workspace, config=CaptionsConfig(source=str(file)), encoder=config.spec)
    about = {"encoder": config, "encoder_fingerprint": describe(config.spec).fingerprint}
    found = embed_texts(workspace, corpus=texts, templates=PLAIN, **about)
    return {"corpus": texts, "text_vectors": found, "scan": None, "reading": None}


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("where", [LocalExecutor, InParts])
def test_nearest_gives_the_caption_of_the_largest_cosine(
    workspace, source, config, corpus, centred, where, monkeypatch
):
    monkeypatch.setattr("sortal.tasks.captioning.nearest._BLOCK", 5)
    with using(where()):
        found = Captioned(workspace, source, config, NearestConfig(centred=centred), **corpus)
    images = open_vectors(workspace, embed(workspace, source, config))
    texts = open_vectors(workspace, corpus["text_vectors"])
    x, y = read_all(images), read_all(texts)
    if centred:
        x, y = (rows - rows.mean(axis=0) for rows in (x, y))
        x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    table = pq.read_table(corpus["corpus"].file(workspace, "corpus.parquet"))
    text_of = dict(zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True))
    expected = [text_of[texts.keys[row]] for row in (x @ y.T).argmax(axis=1)]
    assert found.texts == expected
    assert [row["key"] for row in found.rows] == images.keys


def test_the_captions_of_old_images_stay_when_images_are_added(workspace, source, config, corpus):
    before = Captioned(workspace, source, config, NearestConfig(), **corpus)
    for i in range(20, 40):
        write(source / f"{i}.png", seed=i, size=(40, 3))
    after = Captioned(workspace, source, config, NearestConfig(), **corpus)
    old = {row["key"]: row["text"] for row in before.rows}
    new = {row["key"]: row["text"] for row in after.rows}
    assert len(new) == 34 and {key: new[key] for key in old} == old


def test_several_captions_are_joined_to_one(workspace, source, config, corpus):
    found = Captioned(workspace, source, config, NearestConfig(count=3), **corpus)
    assert all(text.count("that stands there.") == 3 for text in found.texts)


def test_coca_writes_a_caption_for_every_image_and_the_same_again(workspace, source, config, coca):
    settings = CocaConfig(checkpoint=coca, beams=3, max_tokens=8, batch_size=4, shard_size=6)
    found = Captioned(workspace, source, config, settings)
    assert found.codes == [None] * 14 and all(found.texts)
    other = Captioned(workspace, source, config, settings.model_copy(update={"beams": 1}))
    assert other.artifact.identity != found.artifact.identity
    assert found.rows[0]["captioner"].startswith("coca:")


def captioned_elsewhere(where, source, config, settings, **more):
    """Rows of captions as workers would make them, and as this machine does."""
    executor = InParts()
    with using(executor):
        there = Captioned(Workspace(where / "there").create(), source, config, settings, **more)
    here = Captioned(Workspace(where / "here").create(), source, config, settings, **more)
    return executor.mapped, there.rows, here.rows


def test_coca_on_workers_writes_what_it_writes_here(tmp_path, source, config, coca):
    settings = CocaConfig(checkpoint=coca, beams=2, max_tokens=8, batch_size=2, shard_size=6)
    (source / "flawed.png").write_bytes((source / "00.png").read_bytes()[:90])
    mapped, there, here = captioned_elsewhere(tmp_path, source, config, settings)
    assert there == here and len(here) == 14
    assert mapped >= 7  # pieces of a batch


def endings(table, length=3):
    """(mean log-probability, text) of every text of the tokens 3 and 4 that ends, or is full."""
    found, open_texts = [], [(0.0, [1])]
    for step in range(1, length + 1):
        longer = []
        for score, text in open_texts:
            for token in (2, 3, 4)[step == 1 :]:
                total = score + float(table[text[-1], token])
                done = token == 2 or step == length
                (found if done else longer).append((total, [*text, token]))
        open_texts = longer
    return [(score / (len(text) - 1), text) for score, text in found]


def test_the_search_finds_the_likeliest_text(coca):
    """With as many beams as there are texts, the best by mean log-probability of all of them."""
    from sortal.tasks.captioning.coca import search  # open_clip takes seconds to import

    class Toy:
        """Five tokens: 0 pads, 1 begins, 2 ends, 3 and 4 are words; a table says what follows."""

        context, device = 3, torch.device("cpu")
        table = torch.tensor([[1.0, 1, 1, 1, 1], [0, 0, 1, 5, 4], [1] * 5, [0, 0, 1, 2, 2],
                              [0, 0, 9, 1, 1]]).log_softmax(dim=1)  # fmt: skip

        def spread(self, times):
            pass

        def next_token(self, texts):
            return self.table[texts[:, -1]].clone()

    config = CocaConfig(beams=25, min_tokens=1, max_tokens=3)
    expected = max(endings(Toy.table), key=lambda text: text[0])[1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("START", 1), ("END", 2), ("PAD", 0)):
            patch.setattr(f"sortal.tasks.captioning.coca.{name}", value)
        (best,) = search(Toy(), 1, config).tolist()
    assert best[: len(expected)] == expected


def test_texts_end_once_and_not_too_soon(coca, config):
    from sortal.tasks.captioning.coca import END, PAD, START, Decoder, search
    from sortal.tasks.encoders.clip import OpenClipEncoder

    model = OpenClipEncoder(config.model_copy(update={"spec": f"open_clip:{coca}"})).model
    pixels = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = search(
            Decoder(model, model(pixels)), 3, CocaConfig(beams=2, min_tokens=4, max_tokens=12)
        )
    assert found.shape[0] == 3 and found.shape[1] <= 13
    for row in found.tolist():
        assert row[0] == START and END not in row[:5]
        after = row[row.index(END) + 1 :] if END in row else []
        assert set(after) <= {PAD}


def test_a_clip_that_cannot_write_is_refused(workspace, source, config, tmp_path):
    spec = tiny(tmp_path / "plain").removeprefix("open_clip:")
    with pytest.raises(UsageError, match=r"captioner.coca.checkpoint must be a CoCa"):
        Captioned(workspace, source, config, CocaConfig(checkpoint=spec))


@pytest.mark.parametrize("form", ["token", "pipe", "csv"])
def test_captions_given_in_a_file_go_to_their_images(workspace, source, config, tmp_path, form):
    line = {
        "token": "{}#{}\t{}\n",
        "pipe": "{}| {}| {}\n",
        "csv": "{0},{2}\n",
    }[form]
    head = {"token": "", "pipe": "image_name| comment_number| comment\n", "csv": "image,caption\n"}
    file = tmp_path / "told.txt"
    lines = [line.format(f"{i:02}.png", n, f"picture {i} told {n}")
             for i in range(13) for n in range(2)]  # fmt: skip
    file.write_text(head[form] + "".join(lines))
    found = Captioned(workspace, source, config, GivenConfig(source=str(file)))
    assert sorted(filter(None, found.texts)) == sorted(f"picture {i} told 0" for i in range(13))
    assert found.codes.count("no_caption") == 1
    both = Captioned(workspace, source, config, GivenConfig(source=str(file), use="all"))
    assert "picture 3 told 0 picture 3 told 1" in both.texts
    file.write_text(head[form] + "".join(lines) + line.format("13.png", 0, "the last one"))
    assert (
        "the last one" in Captioned(workspace, source, config, GivenConfig(source=str(file))).texts
    )


def test_a_file_that_names_no_image_is_refused(workspace, source, config, tmp_path):
    file = tmp_path / "plain.txt"
    file.write_text("a cat on a mat\na dog on a log\n")
    with pytest.raises(UsageError, match="must name images.*a cat on a mat"):
        Captioned(workspace, source, config, GivenConfig(source=str(file)))
    with pytest.raises(UsageError, match="captioner.given.source must be a file"):
        Captioned(workspace, source, config, GivenConfig(source="nowhere.txt"))

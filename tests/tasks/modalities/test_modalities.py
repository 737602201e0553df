"""Further modalities: texts of metadata and ready-made vectors, row for row with the images."""

import csv
import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_files import CONFIG, run, write
from sortal.configs.encoder import EncoderConfig
from sortal.configs.errors import UsageError
from sortal.configs.heads import HeadConfig
from sortal.configs.load import make_config
from sortal.configs.schema import FusionConfig, TransportConfig
from sortal.storage.vector_sets import FileVectors
from sortal.tasks.arrays import normalise
from sortal.tasks.captioning.caption import TEXTS_FILE
from sortal.tasks.embedding.step import embed_images
from sortal.tasks.encoders.registry import describe, describe_text, open_encoder
from sortal.tasks.heads.data import has_row
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.load import open_data
from sortal.tasks.heads.method import Method
from sortal.tasks.modalities.step import column_texts, copy_modality, embed_modality
from sortal.tasks.modalities.write import PRESENT

MINILM = EncoderConfig(spec="minilm", device="cpu")


class Collection:
    """Real pictures with a metadata file, and the steps up to their modalities."""

    def __init__(self, workspace, config, source):
        self.workspace, self.config, self.source = workspace, config, source

    def scanned(self):
        return run(self.workspace, self.source)

    def images(self):
        return embed_images(
            self.workspace,
            scan=self.scanned(),
            source=str(self.source),
            images=CONFIG,
            encoder=self.config,
            encoder_fingerprint=describe(self.config.spec).fingerprint,
        )

    def texts(self, column="title"):
        return column_texts(
            self.workspace, scan=self.scanned(), source=str(self.source), column=column
        )

    def modality(self, name="title"):
        return embed_modality(
            self.workspace,
            name=name,
            images=self.images(),
            texts=self.texts(name),
            encoder=MINILM,
            encoder_fingerprint=describe_text("minilm").fingerprint,
        )

    def ready(self, source, name="audio"):
        about = {"name": name, "images": self.images(), "scan": self.scanned()}
        return copy_modality(self.workspace, source=str(source), **about)

    def rows(self, modality):
        files = sorted(modality.folder(self.workspace).glob("vectors-*.parquet"))
        keys = [key for file in files for key in pq.read_table(file)["key"].to_pylist()]
        vectors = np.concatenate(list(FileVectors(files).blocks(3)))
        return dict(zip(keys, vectors, strict=True))

    def key(self, path):
        table = pq.read_table(self.scanned().file(self.workspace, "images.parquet"))
        return dict(zip(table["path"].to_pylist(), table["key"].to_pylist(), strict=True))[path]


def metadata(folder, rows, name="metadata.csv"):
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file_name", "title"])
        writer.writeheader()
        writer.writerows({"file_name": path, "title": title} for path, title in rows.items())


@pytest.fixture
def titles(photos):
    """Eight real pictures; the last has no title."""
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))[::20][:7]
    return {path: f"a picture of {path.split('/')[0]}" for path in paths[:-1]} | {paths[-1]: ""}


@pytest.fixture
def collection(workspace, config, photos, titles, tmp_path):
    source = tmp_path / "pictures"
    for path in titles:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / path, source / path)
    metadata(source, titles)
    return Collection(workspace, config, source)


def test_a_column_becomes_a_modality_row_for_row_and_what_is_missing_is_counted(collection, titles):
    modality = collection.modality()
    assert modality.facts["title"] == {"dim": 384, "n_present": 6, "n_missing": 1}
    index = pq.read_table(collection.images().file(collection.workspace, "index.parquet"))
    rows = collection.rows(modality)
    assert list(rows) == index["key"].to_pylist()
    there = pq.read_table(modality.file(collection.workspace, PRESENT)).to_pylist()
    model = open_encoder(MINILM)
    for path, title in titles.items():
        row = rows[collection.key(path)]
        assert {"key": collection.key(path), "present": bool(title)} in there
        expected = normalise(model.encode_texts([title]))[0] if title else np.zeros(384)
        np.testing.assert_allclose(row, expected, atol=2e-3)
    known = [row for row in rows.values() if row.any()]
    mean = np.load(modality.file(collection.workspace, "mean.npy"))
    np.testing.assert_allclose(mean, np.mean(known, axis=0), atol=1e-4)


def test_only_texts_that_are_new_are_embedded_and_no_shard_is_touched(collection, titles, photos):
    collection.modality()
    store = next(path for path in collection.workspace.vectors.glob("*/texts") if path.is_dir())
    before = {path: path.stat().st_mtime_ns for path in store.glob("*.parquet")}
    new = sorted(path for path in (photos / "clocks").iterdir())[-2:]
    for path in new:
        shutil.copy(path, collection.source / path.name)
    old = next(title for title in titles.values() if title)
    metadata(collection.source, titles | {new[0].name: old, new[1].name: "something else"})
    modality = collection.modality()
    assert modality.facts["title"] == {"dim": 384, "n_present": 8, "n_missing": 1}
    after = {path: path.stat().st_mtime_ns for path in store.glob("*.parquet")}
    (added,) = after.keys() - before.keys()
    assert before.items() <= after.items() and pq.read_metadata(added).num_rows == 1


def test_a_changed_text_is_another_modality_and_an_unchanged_one_is_found(collection, titles):
    first = collection.modality()
    assert collection.modality() == first
    path = next(iter(titles))
    metadata(collection.source, titles | {path: "quite another thing"})
    second = collection.modality()
    assert second.fingerprint != first.fingerprint
    rows = collection.rows(first), collection.rows(second)
    differ = [key for key in rows[0] if not np.array_equal(rows[0][key], rows[1][key])]
    assert differ == [collection.key(path)]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "tar"])
def test_every_form_of_metadata_gives_the_same_texts(collection, titles, form, tmp_path):
    expected = pq.read_table(collection.texts().file(collection.workspace, TEXTS_FILE))
    source, rows = collection.source, [{"file_name": p, "title": t} for p, t in titles.items()]
    if form == "tar":
        with tarfile.open(tmp_path / "pictures.tar", "w") as tar:
            tar.add(source, "pictures")
        collection.source = tmp_path / "pictures.tar"
    else:
        (source / "metadata.csv").unlink()
        file = source / f"metadata.{form}"
        if form == "jsonl":
            file.write_text("\n".join(json.dumps(row) for row in rows))
        else:
            pq.write_table(pa.Table.from_pylist(rows), file)
    found = pq.read_table(collection.texts().file(collection.workspace, TEXTS_FILE))
    assert sorted(map(str, found.to_pylist())) == sorted(map(str, expected.to_pylist()))


def vector_file(path, dim=5, **columns):
    count = len(next(iter(columns.values())))
    rows = 3 * np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    vectors = pa.array(rows.tolist(), pa.list_(pa.float32(), dim))
    pq.write_table(pa.table({**columns, "vector": vectors}), path)
    return rows


@pytest.mark.parametrize("by", ["key", "file_name"])
def test_ready_made_vectors_are_joined_by_key_or_by_name(collection, titles, by, tmp_path):
    paths = list(titles)
    keys = {"key": [collection.key(path) for path in paths], "file_name": paths}[by]
    folder = tmp_path / "audio"
    folder.mkdir()
    strangers = ["nobody", keys[0], *keys[1:5]]  # of two rows of an image the first counts
    given = vector_file(folder / "a.parquet", **{by: [keys[0], *strangers]})
    modality = collection.ready(folder)
    assert modality.facts["audio"] == {"dim": 5, "n_present": 5, "n_missing": 2}
    rows = collection.rows(modality)
    np.testing.assert_allclose(rows[collection.key(paths[0])], normalise(given)[0], atol=1e-3)
    np.testing.assert_allclose(rows[collection.key(paths[4])], normalise(given)[6], atol=1e-3)
    assert not rows[collection.key(paths[6])].any()
    vector_file(folder / "b.parquet", **{by: keys})
    assert collection.ready(folder).facts["audio"]["n_missing"] == 0


def test_a_column_of_ready_made_image_vectors_is_a_modality_too(workspace, tmp_path):
    vector_file(tmp_path / "images.parquet", key=["a", "b", "c"], title=["a dog", None, "a dog"])
    spec = EncoderConfig(spec=f"vectors:{tmp_path}")
    modality = Collection(workspace, spec, tmp_path).modality()
    assert modality.facts["title"] == {"dim": 384, "n_present": 2, "n_missing": 1}
    rows = Collection(workspace, spec, tmp_path).rows(modality)
    np.testing.assert_array_equal(rows["a"], rows["c"])


def test_texts_of_vectors_that_share_a_path_stay_apart(workspace, tmp_path):
    """Such as frames of a video: the key says which of them an image is, the path does not."""
    titles = {"a": "a dog", "b": "a cat", "c": None}
    columns = {"key": list(titles), "path": ["x"] * 3, "title": list(titles.values())}
    pq.write_table(pa.table(columns | {"vector": [[1.0, 0.0]] * 3}), tmp_path / "images.parquet")
    texts = Collection(workspace, MINILM, tmp_path).texts()
    rows = pq.read_table(texts.file(workspace, TEXTS_FILE)).to_pylist()
    assert {row["key"]: row["text"] for row in rows} == titles


class Reader(Method):
    def __init__(self):
        super().__init__(
            HeadConfig(method="glad", glad={"modalities": ("image", "title", "audio")})
        )


def test_heads_read_modalities_by_name_centred_with_missing_rows_at_zero(
    collection, titles, tmp_path
):
    vector_file(tmp_path / "audio.parquet", file_name=list(titles)[:4])
    modalities = {
        "title": collection.modality(),
        "audio": collection.ready(tmp_path / "audio.parquet"),
    }
    inputs = HeadInputs(
        images=collection.images(),
        fused=collection.images(),
        corpora={},
        text_vectors={},
        spaces={},
        transports={},
        transport=TransportConfig(),
        fusion=FusionConfig(),
        config=HeadConfig(trainer={"device": "cpu"}),
        n_clusters=2,
        random_state=0,
        modalities=modalities,
    )
    folder = tmp_path / "scratch"
    folder.mkdir()
    data = open_data(collection.workspace, inputs, Reader(), folder)
    shapes = {name: matrix.shape for name, matrix in data.modalities.items()}
    assert (shapes["title"], shapes["audio"]) == ((7, 384), (7, 5))
    assert shapes["image"][0] == 7
    for name, count in (("image", 7), ("title", 6), ("audio", 4)):
        rows = data.modalities[name].slice(0, 7)
        assert int(has_row(rows).sum()) == count
        np.testing.assert_allclose(rows[has_row(rows)].norm(dim=1), 1, atol=2e-3)


def test_what_cannot_work_is_refused_in_one_line(collection, tmp_path):
    with pytest.raises(UsageError, match=r"metadata.csv must have the column 'titel'.*'title'"):
        collection.texts("titel")
    (tmp_path / "bare").mkdir()
    write(tmp_path / "bare" / "a.png")
    with pytest.raises(UsageError, match="needs a metadata file at the top.*got none"):
        Collection(collection.workspace, collection.config, tmp_path / "bare").texts()
    vector_file(tmp_path / "none.parquet", key=["x", "y"])
    with pytest.raises(
        UsageError, match="modality audio must be there for an image, got none of 7"
    ):
        collection.ready(tmp_path / "none.parquet")
    vector_file(tmp_path / "nameless.parquet", id=["x"])
    with pytest.raises(UsageError, match="must have a column key or file_name, it has id, vector"):
        collection.ready(tmp_path / "nameless.parquet")
    with pytest.raises(UsageError, match="must be a Parquet file or a folder of them"):
        collection.ready(tmp_path / "nothing")
    with pytest.raises(UsageError, match="minilm embeds texts alone"):
        describe("minilm")
    with pytest.raises(UsageError, match="minilm embeds texts alone"):
        open_encoder(MINILM).encode_images(None)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("modalities.noun.kind=column", "none of image, noun, caption, got 'noun'"),
        ("modalities.A b.kind=column", "lower-case letters, digits and _.*got 'A b'"),
        ("modalities.audio.kind=vectors", "kind vectors must have a source"),
        ("modalities.title.kind=text", "'column'.*got 'text'"),
        ("modalities.title={kind: column, colum: x}", "unknown setting modalities.title.colum"),
    ],
)
def test_views_are_checked_with_the_configuration(setting, words):
    with pytest.raises(UsageError, match=words) as error:
        make_config({"source": "x", "n_clusters": 2}, [setting])
    assert "\n" not in str(error.value)

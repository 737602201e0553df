"""A lake that an earlier version made is migrated when it is opened for writing."""

import pyarrow as pa
import pyarrow.parquet as pq

from lakes import metrics, run_row
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import Select, sql

ROLES = {  # role -> kind
    "noun.transport": "transport",
    "caption.transport": "transport",
    "train.noun.transport": "transport",
    "train.caption.transport": "transport",
    "view.title.texts": "image_texts",
    "partition": "head",
    "view.text": "view",
    "view.audio": "view",
    "train.scan": "scan",
    "scan": "scan",
}


def artifacts(row, roles):
    """Rows of `artifacts` of a run, by role."""
    words = ("fingerprint", "identity")
    return pa.table(
        {
            "run_id": [row["run_id"]] * len(roles),
            "role": list(roles),
            "kind": list(roles.values()),
            **{word: list(roles) for word in words},
        }
    )


def reopened(workspace, row, figures, roles, read_only=False):
    """The figures of a run in a lake whose SQL has changed since it was published."""
    with Lake(workspace) as lake:
        tables = {"metrics": metrics(row, **figures), "artifacts": artifacts(row, roles)}
        lake.publish(row, tables)
        lake.execute("UPDATE meta SET value = 'of an earlier version' WHERE name = 'schema'")
    with Lake(workspace, read_only) as lake:
        return dict(lake.execute("SELECT name, value FROM metrics").fetchall())


def test_figures_of_steps_that_were_called_by_number_are_called_by_role(workspace):
    old = {
        "acc": 0.5,
        "transport.n_iter": 1.0,
        "transport-2.n_iter": 2.0,
        "transport-3.n_iter": 9.0,
        "transport-4.n_iter": 10.0,
        "image_texts.n_texts": 11.0,
        "seconds.transport": 3.0,
        "seconds.transport-2": 4.0,
        "peak_mb.scan-2": 5.0,
        "head.epochs": 6.0,
        "view.text.n_present": 7.0,
        "view-2.audio.n_present": 8.0,
    }
    assert reopened(workspace, run_row(), old, ROLES) == {
        "acc": 0.5,
        "noun.transport.n_iter": 1.0,
        "caption.transport.n_iter": 2.0,
        "train.noun.transport.n_iter": 9.0,
        "train.caption.transport.n_iter": 10.0,
        "view.title.texts.n_texts": 11.0,
        "seconds.noun.transport": 3.0,
        "seconds.caption.transport": 4.0,
        "peak_mb.train.scan": 5.0,
        "partition.epochs": 6.0,
        "view.text.n_present": 7.0,
        "view.audio.n_present": 8.0,
    }


def test_without_nouns_the_first_transport_is_the_captions(workspace):
    roles = {"caption.transport": "transport"}
    found = reopened(workspace, run_row(), {"transport.n_iter": 9.0}, roles)
    assert found == {"caption.transport.n_iter": 9.0}


def test_figures_by_role_stay_as_they_are(workspace):
    new = {"noun.transport.n_iter": 1.0, "partition.epochs": 2.0, "seconds.scan": 3.0}
    new |= {"view.text.n_present": 4.0, "train.partition.epochs": 5.0}
    assert reopened(workspace, run_row(), new, ROLES | {"train.partition": "head"}) == new


def test_the_costs_of_a_step_are_those_of_its_artifact(workspace):
    row = run_row()
    with Lake(workspace) as lake:
        parts = artifacts(row, {"view.aa": "view", "view.zz": "view"})
        parts = parts.append_column("seconds", pa.array([1.0, 2.0]))
        parts = parts.append_column("peak_mb", pa.array([30.0, 40.0]))
        figures = {"seconds.view": 2.0, "seconds.view-2": 1.0, "peak_mb.view": 40.0}
        lake.publish(row, {"metrics": metrics(row, **figures), "artifacts": parts})
        lake.execute("UPDATE meta SET value = 'of an earlier version' WHERE name = 'schema'")
    with Lake(workspace) as lake:
        found = dict(lake.execute("SELECT name, value FROM metrics").fetchall())
    assert found == {"seconds.view.aa": 1.0, "seconds.view.zz": 2.0, "peak_mb.view.aa": 30.0}


def test_who_reads_an_earlier_lake_first_migrates_it(workspace):
    roles = {"caption.transport": "transport"}
    found = reopened(workspace, run_row(), {"transport.n_iter": 9.0}, roles, read_only=True)
    assert found == {"caption.transport.n_iter": 9.0}


def test_columns_that_images_lacked_are_added_and_scans_without_them_are_published(
    workspace, tmp_path
):
    added = ("split", "taken_at", "camera_model")
    with Lake(workspace) as lake:
        for name in added:
            lake.execute(f"ALTER TABLE images DROP COLUMN {name}")
        lake.execute("INSERT INTO images (scan, collection, path) VALUES ('s', 'c', 'old.jpg')")
        lake.execute("UPDATE meta SET value = 'of an earlier version' WHERE name = 'schema'")
    old = {"path": ["a.jpg"], "key": ["k"], "label": ["cat"], "width": [1], "height": [1]}
    old |= {"format": ["PNG"], "bytes": [1], "offset": [None], "status": ["ok"]}
    old |= {"error_code": pa.nulls(1, pa.string())}
    files = {name: str(tmp_path / f"{name}.parquet") for name in ("images", "undecodable")}
    pq.write_table(pa.table(old), files["images"])
    lost = pa.schema([("key", pa.string()), ("error_code", pa.string())])
    pq.write_table(lost.empty_table(), files["undecodable"])
    rows = Select(sql("commit/images"), {"scan": "scan-1", "collection": "pets", **files})
    with Lake(workspace) as lake:
        lake.publish(run_row(), {"images": rows})
        query = f"SELECT path, label, {', '.join(added)} FROM images ORDER BY path"
        assert lake.execute(query).fetchall() == [
            ("a.jpg", "cat", None, None, None), ("old.jpg", None, None, None, None),
        ]  # fmt: skip

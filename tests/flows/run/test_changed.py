"""What every run ends with, on real pictures."""

import shutil

from drawn import draw, picture
from sortal.configs.load import make_config
from sortal.flows.recluster import recluster
from sortal.flows.run.changed import Changed
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

SETTINGS = ["nouns.lexnames=[noun.Tops]", "images.num_workers=0", "encoder.num_workers=0"]


def test_a_run_says_what_became_of_every_file(tmp_path):
    photos, workspace = tmp_path / "photos", tmp_path / "workspace"
    values = {"source": str(photos), "n_clusters": 3, "workspace": workspace}
    config = make_config({**values, "captions": {"source": "none"}}, SETTINGS)
    draw(photos, 0, 5)
    first = recluster.fn(config)
    assert first.changed == "+15 new: the collection's first run"

    (photos / "disc-00.png").rename(photos / "renamed.png")
    shutil.copy(photos / "disc-01.png", photos / "copied.png")
    (photos / "bar-00.png").unlink()
    (photos / "square-00.png").write_bytes(b"no picture")
    picture(photos / "bar-01.png", "bar", 90)
    draw(photos, 5, 7)
    second = recluster.fn(config)
    said = "+6 new, -1 gone, 1 renamed, 1 copied, 1 edited, 1 unreadable"
    assert second.changed.startswith(said) and second.changed.endswith(f"since run {first.run_id}")
    with Lake(Workspace(workspace), read_only=True) as lake:
        query = "SELECT change, path, old_path FROM image_changes WHERE change <> 'new'"
        assert lake.execute(query).fetchall() == [
            ("copied", "copied.png", None),
            ("edited", "bar-01.png", None),
            ("gone", "bar-00.png", None),
            ("renamed", "renamed.png", "disc-00.png"),
            ("unreadable", "square-00.png", None),
        ]

    picture(photos / "square-00.png", "square", 0)
    third = recluster.fn(config)
    assert third.changes["repaired"] == 1
    assert sum(third.changes.values()) == 1 + third.changes["moved"]
    again = recluster.fn(config)
    assert again.changed == f"nothing changed: this is run {third.run_id} again"


def test_the_line_leaves_out_what_did_not_happen():
    counts = dict.fromkeys(
        ("new", "gone", "renamed", "copied", "edited", "unreadable", "repaired", "moved"), 0
    )
    said = Changed(run_id="b", previous="a", counts=counts | {"new": 1200, "moved": 4})
    assert said.line == "+1,200 new, 4 moved to another kind, since run a"
    assert Changed(run_id="b", previous="a", counts=counts).line == "no file changed, since run a"

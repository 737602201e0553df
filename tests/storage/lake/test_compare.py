"""Two runs compared file by file: by content, not by name."""

import random
from collections import Counter

import pyarrow as pa
import pytest

from lakes import assignments, clusters, lineage, run_row
from sortal.storage.lake.compare import changed_files, count_changes
from sortal.storage.lake.lake import Lake


def scan(row, files):
    """Rows of `images`: by path the key, or None for a file that cannot be read at all."""
    keys = [key and key.removeprefix("bad ") for key in files.values()]
    status = ["failed" if not key or key.startswith("bad ") else "ok" for key in files.values()]
    n = len(files)
    return pa.table(
        {
            "scan": [row["scan"]] * n,
            "collection": [row["collection"]] * n,
            "path": pa.array(list(files), pa.string()),
            "key": pa.array(keys, pa.string()),
            "status": pa.array(status, pa.string()),
        }
    )


def compared(workspace, before, after):
    """What became of the files of two scans: (change, path, old path), and the counts."""
    with Lake(workspace) as lake:
        for number, files in enumerate((before, after)):
            row = run_row(number, scan=f"scan-{number}", random_state=0)
            previous = lineage(row, ["same"], "run-0000" if number else None)
            lake.publish(row, {"images": scan(row, files), "lineage": previous})
        rows = changed_files(lake, "run-0000", "run-0001").fetchall()
        counts = count_changes(lake, "run-0000", "run-0001")
        shown = lake.execute("SELECT change, path, old_path FROM image_changes").fetchall()
    assert [row[:3] for row in rows] == shown  # the view says the same of the newest run
    assert Counter(change for change, *_ in rows) == Counter({k: n for k, n in counts.items() if n})
    return [tuple(filter(None, row[:3])) for row in rows]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "1", "b": "2"}, [("new", "b")]),
        ({"a": "1", "b": "2"}, {"a": "1"}, [("gone", "b")]),
        ({"a": "1"}, {"b": "1"}, [("renamed", "b", "a")]),
        ({"a": "1"}, {"a": "1", "b": "1"}, [("copied", "b")]),
        ({"a": "1"}, {"a": "2"}, [("edited", "a")]),
        ({"a": "1"}, {"a": "bad 1"}, [("unreadable", "a")]),
        ({"a": "1"}, {"a": "bad 9"}, [("unreadable", "a")]),
        ({"a": "1"}, {"a": None}, [("unreadable", "a")]),
        ({"a": "1"}, {"a": "1", "b": "bad 2"}, [("unreadable", "b")]),
        ({"a": "bad 1"}, {"a": "bad 2"}, []),
        ({"a": None}, {"a": None}, []),
        ({"a": "bad 1"}, {"a": "2"}, [("repaired", "a")]),
        ({"a": "bad 1"}, {"a": "1"}, [("repaired", "a")]),
        ({"a": None}, {"a": "1"}, [("repaired", "a")]),
        ({"a": None}, {}, [("gone", "a")]),
        ({"a": "bad 1"}, {"b": "bad 1"}, [("renamed", "b", "a")]),
        (
            {"a": "1", "b": "2"},
            {"a": "2", "b": "1"},
            [("renamed", "a", "b"), ("renamed", "b", "a")],
        ),
        ({"a": "1", "b": "2"}, {"b": "1"}, [("gone", "b"), ("renamed", "b", "a")]),
        ({"a": "1"}, {"a": "2", "b": "1"}, [("new", "a"), ("renamed", "b", "a")]),
        ({"a": "1"}, {"b": "1", "c": "1"}, [("copied", "c"), ("renamed", "b", "a")]),
        ({"a": "1", "b": "1"}, {"c": "1"}, [("gone", "b"), ("renamed", "c", "a")]),
        ({"a": "1", "b": "1"}, {"a": "2", "c": "1"}, [("edited", "a"), ("renamed", "c", "b")]),
        ({"a": "1", "b": "2"}, {"a": "2", "b": "2"}, [("edited", "a")]),
        ({}, {"a": "1", "b": "1"}, [("new", "a"), ("new", "b")]),
    ],
)
def test_what_became_of_each_file(workspace, before, after, changes):
    assert compared(workspace, before, after) == changes


def test_the_changes_add_up_to_the_files_that_there_are(workspace):
    draw = random.Random(0)
    before, after = (
        {f"{n:03}.png": str(draw.randint(1, most)) for n in draw.sample(range(400), count)}
        for count, most in ((250, 200), (300, 300))
    )
    count = Counter(change for change, *_ in compared(workspace, before, after))
    assert set(count) == {"new", "gone", "renamed", "copied", "edited"}
    assert len(after) - len(before) == count["new"] + count["copied"] - count["gone"]


def test_a_path_with_several_contents_is_compared_content_by_content(workspace):
    with Lake(workspace) as lake:
        for number, keys in enumerate((["1", "2", "3"], ["2", "3", "4"])):
            row = run_row(number, scan=f"scan-{number}", random_state=0)
            table = scan(row, dict.fromkeys("abc", "1")).set_column(2, "path", [["film"] * 3])
            lake.publish(row, {"images": table.set_column(3, "key", [keys])})
        assert changed_files(lake, "run-0000", "run-0001").fetchall()[0][:2] == ("edited", "film")
        assert sum(count_changes(lake, "run-0000", "run-0001").values()) == 1


def test_files_of_another_kind_are_named_with_both_kinds(workspace):
    with Lake(workspace) as lake:
        for number, kinds in enumerate(([0, 0, 1], [0, 1, 1])):
            row = run_row(number, scan="scan", random_state=0)
            paths = ["a", "b", "c"]
            files = {path: f"key of {path}" for path in (*paths, "copy of b")}
            files["copy of b"] = files["b"]
            lake.publish(
                row,
                {
                    "images": scan(row, files),
                    "assignments": assignments(row, paths, kinds),
                    "clusters": clusters(row, ["cat", "dog"]),
                    "lineage": lineage(row, ["same", "same"], "run-0000" if number else None),
                },
            )
        rows = changed_files(lake, "run-0000", "run-0001").fetchall()
        assert rows == [("moved", path, None, 0, "cat", 1, "dog") for path in ("b", "copy of b")]
        view = "SELECT path, from_name, to_name FROM moved_images"
        assert lake.execute(view).fetchall() == [("b", "cat", "dog"), ("copy of b", "cat", "dog")]

from pathlib import Path

import pytest

from sortal.storage.artifacts import MANIFEST, Written, find, publish


def _write(text):
    def body(folder: Path) -> Written:
        (folder / "data.txt").write_text(text)
        return Written(rows=1, facts={"n": 1})

    return body


def test_a_published_artifact_is_found_again(workspace):
    artifact = publish(workspace, "kind", "abc", _write("hello"))
    assert find(workspace, "kind", "abc") == artifact
    assert artifact.file(workspace, "data.txt").read_text() == "hello"


def test_an_artifact_that_was_never_written_is_not_found(workspace):
    assert find(workspace, "kind", "abc") is None


def test_a_body_that_fails_leaves_nothing_behind(workspace):
    def body(folder: Path) -> Written:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        publish(workspace, "kind", "abc", body)
    assert find(workspace, "kind", "abc") is None
    assert list((workspace.artifacts / "kind").iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "manifest"])
def test_damage_is_noticed(workspace, damage):
    artifact = publish(workspace, "kind", "abc", _write("hello"))
    path = artifact.file(workspace, "data.txt")
    if damage == "flip":
        path.write_text("jello")
    elif damage == "truncate":
        path.write_text("hell")
    elif damage == "delete":
        path.unlink()
    else:
        artifact.file(workspace, MANIFEST).write_text("{")
    assert find(workspace, "kind", "abc") is None


def test_damage_to_a_shared_file_is_noticed(workspace):
    shard = workspace.root / "shard.parquet"
    shard.write_text("vectors")
    publish(workspace, "kind", "abc", lambda folder: Written(shared=[shard]))
    assert find(workspace, "kind", "abc") is not None
    shard.write_text("victors")
    assert find(workspace, "kind", "abc") is None


def test_publishing_again_replaces_a_damaged_artifact(workspace):
    artifact = publish(workspace, "kind", "abc", _write("hello"))
    artifact.file(workspace, "data.txt").write_text("jello")
    publish(workspace, "kind", "abc", _write("hello"))
    assert find(workspace, "kind", "abc") == artifact

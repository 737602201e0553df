"""A run by density: as many kinds as are dense, and images that are in none, wherever they show."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from sortal.configs.errors import UsageError
from sortal.configs.load import make_config
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.safety import Guard
from sortal.flows.operations.assign import assign
from sortal.flows.operations.export.names import folders_of
from sortal.flows.operations.lineage import rename
from sortal.flows.operations.verify import verify
from sortal.flows.recluster import recluster
from sortal.flows.run.result import RunResult
from sortal.storage.lake.lake import Lake
from sortal.storage.lake.sql import sql
from sortal.storage.workspace import Workspace
from sortal.tasks.report.page import publish_report

DIM, LOOSE = 128, 30
SIZES = {"a": 60, "b": 50, "c": 50, "e": 45, "f": 45}
SIDE = {"a": 1, "b": 1, "d": 1, "c": -1, "e": -1, "f": -1}
AXES = np.eye(DIM)
RULES = (f"dim={DIM}", "min_cluster_size=35")  # more than images that are in none


def write(folder: Path, parts: dict[str, np.ndarray], labelled: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    keys = [f"{name}{i:03d}" for name, rows in parts.items() for i in range(len(rows))]
    vectors = np.concatenate(list(parts.values())).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
    table = {"key": keys, "vector": column}
    if labelled:
        table["label"] = [key[0] for key in keys]
    pq.write_table(pa.table(table), folder / "images.parquet")
    return folder


def kind(name: str, size: int) -> np.ndarray:
    """Images of a kind, on one of two sides, which are nearer to one another than other images."""
    number = ord(name) - ord("a")
    noise = np.random.default_rng(100 + number).normal(size=(size, DIM))
    return SIDE[name] * AXES[0] + 0.35 * AXES[1 + number] + 0.008 * noise


def loose(size: int, seed: int = 1) -> np.ndarray:
    """Images each along an axis of its own, so far from one another and from all kinds."""
    noise = np.random.default_rng(seed).normal(size=(size, DIM))
    return AXES[10 + np.arange(size)] + 0.008 * noise


def run(folder: Path, **given: object) -> RunResult:
    where = {"source": f"vectors:{folder}", "workspace": folder.parent / "workspace"}
    values = {**where, "method": "density", "collection": "c", "report": False, **given}
    return recluster.fn(make_config(values, [f"partition.density.{rule}" for rule in RULES]))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult, RunResult]:
    """Five kinds and loose images; then one comes, about some that were in none, and one goes."""
    folder = tmp_path_factory.mktemp("grown") / "vectors"
    parts = {name: kind(name, size) for name, size in SIZES.items()}
    parts["l"] = loose(LOOSE)
    fourth = kind("d", 50)
    first = run(write(folder, parts | {"d": fourth[:2]}))
    thinned = parts | {"c": parts["c"][:2], "d": fourth}  # of one kind two are left
    second = run(write(folder, thinned))
    return folder, first, second


def rows(result: RunResult, query: str, **values: object) -> list[dict]:
    with Lake(Workspace(Path(result.workspace)), read_only=True) as lake:
        return lake.query(query, {"run": result.run_id, **values}).to_pylist()


def placed(result: RunResult) -> dict[str, int]:
    """The id of the kind of each image, by key."""
    query = "SELECT key, cluster_id FROM assignments JOIN cluster_names USING (run_id, cluster)"
    found = rows(result, f"{query} WHERE run_id = $run")
    return {row["key"]: row["cluster_id"] for row in found}


def of(result: RunResult, letter: str) -> Counter:
    return Counter(id_ for key, id_ in placed(result).items() if key.startswith(letter))


def test_images_between_kinds_are_in_none_and_are_counted_apart(grown):
    _, first, _ = grown
    kinds = [of(first, letter) for letter in SIZES]
    assert [len(kind) for kind in kinds] == [1] * 5 and -1 not in set().union(*kinds)
    assert of(first, "l") == {-1: LOOSE} and of(first, "d") == {-1: 2}
    query = "SELECT cluster_id, name, size FROM cluster_cards WHERE run_id = $run"
    cards = {row["cluster_id"]: row for row in rows(first, query)}
    counted = Counter(placed(first).values())
    assert {id_: card["size"] for id_, card in cards.items()} == counted
    assert cards[-1]["name"] == "no kind" and list(cards).count(-1) == 1
    row = rows(first, "SELECT n_clusters, n_images FROM runs WHERE run_id = $run")[0]
    assert row == {"n_clusters": 5, "n_images": sum(SIZES.values()) + LOOSE + 2}


def test_metrics_say_how_many_have_a_kind_and_take_the_others_for_errors(grown):
    found, ids = grown[1].metrics, Counter(placed(grown[1]).values())
    assert found["kind_share"] == pytest.approx(1 - ids[-1] / ids.total())
    assert found["acc"] == pytest.approx(sum(SIZES.values()) / ids.total())
    assert found["nmi"] < found["nmi_of_kinds"] and found["n_clusters_used"] == 5
    assert "stability" not in found


def test_ids_stay_and_images_come_from_none_and_go_to_it(grown):
    _, first, second = grown
    before, after = placed(first), placed(second)
    common = Counter((before[key], after[key]) for key in before if key in after)
    query = "FROM moves WHERE run_id = $run AND from_id IS NOT NULL AND to_id IS NOT NULL"
    moves = rows(second, query)
    assert {(row["from_id"], row["to_id"]): row["n_images"] for row in moves} == common
    new, gone = of(second, "d").most_common(1)[0][0], of(first, "c").most_common(1)[0][0]
    assert new not in set(before.values()) and common[-1, new] == 2
    assert gone not in set(after.values()) and common[gone, -1] >= 2
    assert of(first, "a").keys() == of(second, "a").keys()
    query = "SELECT cluster_id, event FROM changes WHERE run_id = $run"
    events = {row["cluster_id"]: row["event"] for row in rows(second, query)}
    assert events[new] == "born" and events[gone] == "vanished"
    assert events[-1] in ("same", "grew", "shrank")


def test_the_run_is_whole_and_its_report_speaks_of_them(grown):
    folder, _, second = grown
    found: list = []
    verify(folder.parent / "workspace", False, found.append)
    assert found == []
    page = publish_report(Workspace(folder.parent / "workspace"), second.run_id).read_text("utf-8")
    n_kindless = Counter(placed(second).values())[-1]
    assert f"no kind: {n_kindless} images that are in none" in page
    assert f"into {len(set(placed(second).values()) - {-1})} kinds" in page


def test_pages_show_them_apart_and_an_export_has_a_folder_of_theirs(grown, tmp_path):
    folder, _, second = grown
    library = Library(Workspace(folder.parent / "workspace"))
    with TestClient(make_app(library, Guard(frozenset({"localhost"}))), "http://localhost") as page:
        here = f"/run/{second.run_id}"
        kinds = page.get(here).text
        assert (
            "no kind" in kinds and f"in {len(set(placed(second).values()) - {-1})} kinds" in kinds
        )
        own = page.get(f"{here}/kind/-1").text
        assert "no kind" in own and "Rename" not in own
        key = next(key for key, id_ in placed(second).items() if id_ == -1)
        assert "to the centre of the nearest" in page.get(f"{here}/image/{key}").text
        assert page.get(f"{here}/search", params={"kind": "-1", "label": "l"}).status_code == 200
    library.close()
    with Lake(library.workspace, read_only=True) as lake:
        exported = lake.query(sql("export/rows"), {"run": second.run_id}).to_pylist()
    assert {row["name"] for row in exported if row["cluster_id"] == -1} == {"no kind"}
    assert folders_of([(-1, "no kind"), (0, "cat")])[-1] == "no kind"


def test_assign_gives_the_runs_images_theirs_and_new_ones_a_kind_or_none(grown, tmp_path):
    folder, _, second = grown
    workspace = Workspace(folder.parent / "workspace")
    _, same = assign(workspace, str(folder), keep=False)
    ids = zip(same["key"].to_pylist(), same["cluster_id"].to_pylist(), strict=True)
    assert dict(ids) == placed(second)
    new = {"a": kind("a", 150)[60:], "x": loose(70, seed=9)[30:]}
    _, found = assign(workspace, str(write(tmp_path / "new", new, labelled=False)))
    found = found.to_pylist()
    near = [row for row in found if row["key"].startswith("a")]
    assert np.mean([row["cluster_id"] in of(second, "a") for row in near]) > 0.9
    far = [row for row in found if row["cluster_id"] == -1]
    assert sum(row["key"].startswith("x") for row in far) == 40
    assert all(row["name"] == "no kind" and row["unlike"] for row in far)
    assert all(row["threshold"] is None and row["next_cluster_id"] >= 0 for row in far)


def test_no_kind_has_no_name_to_give_and_no_number_is_asked_for(grown):
    folder, _, second = grown
    with pytest.raises(UsageError, match="must be a kind, got -1"):
        rename(folder.parent / "workspace", "-1", "odds", second.run_id)
    with pytest.raises(UsageError, match=r"must be left out with partition.method=density"):
        run(folder, n_clusters=20)


def test_all_may_be_in_none(tmp_path):
    result = run(write(tmp_path / "vectors", {"l": loose(30)}))
    cards = rows(result, "SELECT name, size FROM cluster_cards WHERE run_id = $run")
    assert cards == [{"name": "no kind", "size": 30}]
    assert result.metrics["kind_share"] == 0.0
    _, found = assign(Workspace(tmp_path / "workspace"), str(tmp_path / "vectors"))
    assert set(found["cluster_id"].to_pylist()) == {-1}
    assert publish_report(Workspace(tmp_path / "workspace"), result.run_id).exists()

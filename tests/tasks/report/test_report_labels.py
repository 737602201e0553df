"""Kinds by labels, labels that may be wrong, contact sheets, and where a page leads."""

import pytest

from report_run import RUN, make_run
from sortal.storage.lake.lake import Lake
from sortal.tasks.report.gather import gather
from sortal.tasks.report.labels import confusion_of
from sortal.tasks.report.page import build, build_served


def counts(table: dict[tuple[int, str], int]):
    return [
        {"cluster_id": kind, "name": f"kind {kind}", "label": label, "n_images": count}
        for (kind, label), count in table.items()
    ]


def test_kinds_stand_in_the_order_of_their_labels_with_shares_of_the_kind():
    found = confusion_of(counts({(0, "b"): 3, (0, "a"): 1, (1, "a"): 8, (2, "c"): 2}))
    assert found.labels == ["a", "b", "c"]
    assert [name for name, _ in found.rows] == ["kind 1", "kind 0", "kind 2"]
    assert [cell.n_images for cell in found.rows[1][1]] == [1, 3, 0]
    assert [cell.share for cell in found.rows[1][1]] == [0.25, 0.75, 0]
    assert confusion_of([]) is None


def test_a_table_of_many_labels_is_cut_and_says_so():
    found = confusion_of(counts({(0, f"label {i:02}"): 100 - i for i in range(45)}))
    assert len(found.labels) == 40 and found.labels[0] == "label 00" and found.n_hidden == 5


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Sixty images in three kinds; of the first, one that is near and one that is far are odd."""
    workspace = make_run(tmp_path_factory.mktemp("run"), n_images=60)
    with Lake(workspace) as lake:
        for i in range(60):
            label = "odd" if i in (3, 57) else f"x{i % 3}"
            lake.execute("UPDATE images SET label = ? WHERE path = ?", [label, f"{i}.png"])
    return workspace


def test_a_label_may_be_wrong_where_most_of_a_kind_have_another_and_it_lies_near(labelled):
    with Lake(labelled, read_only=True) as lake:
        data = gather(lake, RUN)
    assert [(s.picture.place.path, s.label, s.expected) for s in data.suspects] == [
        ("3.png", "odd", "x0")
    ]
    page = build(labelled, RUN)
    assert "Labels that may be wrong" in page and "x0?" in page


def test_a_card_has_the_rest_of_its_kind_as_a_contact_sheet(labelled):
    with Lake(labelled, read_only=True) as lake:
        data = gather(lake, RUN)
    for cluster in data.clusters:
        keys = [picture.place.key for picture in (*cluster.pictures, *cluster.more)]
        assert len(keys) == len(set(keys)) == cluster.size == 20
        distances = [picture.distance for picture in cluster.more]
        assert distances == sorted(distances)


def test_a_served_page_leads_to_every_kind_and_image(labelled):
    with Lake(labelled, read_only=True) as lake:
        page = build_served(lake, RUN, f"/run/{RUN}")
    assert f'href="/run/{RUN}/kind/0"' in page and "data:image" not in page
    assert page.count(f'src="/run/{RUN}/small/') >= 60


def test_a_run_that_was_given_a_relative_folder_has_pictures_from_anywhere(tmp_path, monkeypatch):
    workspace = make_run(tmp_path, source="images")
    assert "data:image" not in build(workspace, RUN)
    with Lake(workspace) as lake:
        lake.execute("UPDATE collections SET place = ?", [str(tmp_path / "images")])
    assert "data:image/webp" in build(workspace, RUN)

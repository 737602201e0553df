"""A kept name that no longer fits its cluster's nouns is marked, and stays."""

import pyarrow as pa
import pytest

from lakes import clusters, run_row
from sortal.storage.lake.lake import Lake


def suggested(workspace, names, nouns, pinned=None):
    """By cluster, what it would be called now; None where its name fits."""
    row = run_row()
    pairs = [(c, rank, word) for c, words in enumerate(nouns) for rank, word in enumerate(words, 1)]
    number, rank, word = zip(*pairs, strict=True)
    terms = {"run_id": [row["run_id"]] * len(pairs), "corpus": ["noun"] * len(pairs)}
    terms |= {"cluster": pa.array(number, pa.int32()), "rank": rank, "term": word}
    made = clusters(row, names).append_column("pinned", pa.array(pinned or [None] * len(names)))
    with Lake(workspace) as lake:
        lake.publish(row, {"clusters": made, "cluster_terms": pa.table(terms)})
        query = "SELECT suggested_name, name_fits, name FROM cluster_cards ORDER BY cluster_id"
        rows = lake.execute(query).fetchall()
    assert [fits for _, fits, _ in rows] == [word is None for word, *_ in rows]
    assert [name for *_, name in rows] == [
        p or n for p, n in zip(pinned or names, names, strict=True)
    ]
    return [word for word, *_ in rows]


@pytest.mark.parametrize(
    ("names", "nouns", "words"),
    [
        (["cat", "dog"], [["kitten", "cat"], ["dog"]], [None, None]),
        (["cat", "dog"], [["tiger", "lion"], ["dog"]], ["tiger", None]),
        (["cat", "dog"], [["dog", "puppies", "wolf"], ["dog"]], ["puppies", None]),
        (["Cats", "dog"], [["cat"], ["dogs"]], [None, None]),
        (["cat (kitten)", "dog: 2"], [["cat", "lion"], ["dog"]], [None, None]),
        (["cat", "dog"], [["dog"], ["dog"]], [None, None]),  # nothing better is free
        (["ponies", "box"], [["pony"], ["boxes"]], [None, None]),
    ],
)
def test_a_name_fits_while_it_is_a_noun_of_the_cluster(workspace, names, nouns, words):
    assert suggested(workspace, names, nouns) == words


def test_an_unnamed_cluster_has_a_text_that_stands_for_its_name(workspace):
    row = run_row()
    with Lake(workspace) as lake:
        made = clusters(row, ["cat", None, None])
        made = made.append_column("pinned", pa.array([None, None, "mine"]))
        made = made.append_column("name_confidence", pa.array([0.9, 0.2, 0.1], pa.float32()))
        lake.publish(row, {"clusters": made})
        query = "SELECT name, is_named, round(name_confidence, 2), name_fits, suggested_name "
        found = lake.execute(f"{query} FROM cluster_cards ORDER BY cluster").fetchall()
    assert found == [
        ("cat", True, pytest.approx(0.9), True, None),
        ("unnamed 1", False, pytest.approx(0.2), True, None),
        ("mine", True, None, True, None),
    ]


def test_a_noun_that_is_less_sure_than_names_must_be_is_not_suggested(workspace):
    row = run_row(config='{"naming": {"min_confidence": 0.4}}')
    terms = {"run_id": [row["run_id"]] * 2, "cluster": pa.array([0, 0], pa.int32())}
    terms |= {"corpus": ["noun"] * 2, "rank": pa.array([1, 2], pa.int32()), "term": ["fox", "ox"]}
    terms |= {"confidence": pa.array([0.3, 0.5], pa.float32())}
    with Lake(workspace) as lake:
        lake.publish(row, {"clusters": clusters(row, ["cat"]), "cluster_terms": pa.table(terms)})
        assert lake.execute("SELECT suggested_name FROM suggested_names").fetchall() == [("ox",)]


def test_a_pinned_name_always_fits(workspace):
    nouns = [["tiger"], ["wolf"]]
    assert suggested(workspace, ["cat", "dog"], nouns, ["mine", None]) == [None, "wolf"]

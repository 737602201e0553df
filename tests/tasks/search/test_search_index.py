"""The index gives the nearest images, whether it is exact, grown or one of cells."""

import faiss
import numpy as np

from sortal.configs.looks import SearchConfig
from sortal.storage.rows import ArrayRows
from sortal.tasks.arrays import normalise
from sortal.tasks.search.index import build, grow, nearest, open_index

EXACT, CELLS = SearchConfig(), SearchConfig(exact_below=0, cells=16, probed=8)
ROWS = normalise(np.random.default_rng(0).standard_normal((800, 24)).astype(np.float32))
MEAN = ROWS.mean(axis=0)
CENTRED = normalise(ROWS - MEAN)


def test_an_exact_index_finds_what_numpy_finds(tmp_path):
    assert build(ArrayRows(ROWS), MEAN, EXACT, tmp_path / "index")
    index = open_index(tmp_path / "index", EXACT)
    for query in CENTRED[:20]:
        score, rows = nearest(index, 3 * query, 5)
        truth = np.argsort(-(CENTRED @ query))[:5]
        assert rows.tolist() == truth.tolist()
        assert np.allclose(score, (CENTRED @ query)[truth], atol=2e-3)


def test_an_index_that_grew_and_shrank_is_the_one_made_anew(tmp_path):
    build(ArrayRows(ROWS[:600]), MEAN, EXACT, tmp_path / "old")
    gone = np.array([0, 7, 599])
    grow(tmp_path / "old", gone, ArrayRows(ROWS[600:]), MEAN, tmp_path / "grown")
    build(ArrayRows(np.delete(ROWS, gone, axis=0)), MEAN, EXACT, tmp_path / "anew")
    grown, anew = (open_index(tmp_path / name, EXACT) for name in ("grown", "anew"))
    for query in CENTRED[::100]:
        assert nearest(grown, query, 9)[1].tolist() == nearest(anew, query, 9)[1].tolist()


def test_an_index_of_cells_finds_most_and_is_mapped(tmp_path):
    assert not build(ArrayRows(ROWS), MEAN, CELLS, tmp_path / "index")
    index = open_index(tmp_path / "index", CELLS)
    assert faiss.extract_index_ivf(index).nprobe == CELLS.probed
    found = [nearest(index, query, 1)[1].tolist() for query in CENTRED]
    assert np.mean([rows == [n] for n, rows in enumerate(found)]) > 0.99


def test_more_are_asked_for_than_there_are(tmp_path):
    build(ArrayRows(ROWS[:3]), MEAN, EXACT, tmp_path / "index")
    assert len(nearest(open_index(tmp_path / "index", EXACT), CENTRED[0], 50)[1]) == 3

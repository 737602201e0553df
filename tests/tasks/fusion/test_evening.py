import numpy as np

from sortal.storage.rows import ArrayRows
from sortal.tasks.fusion.evening import Evening, fit_evening


def rows(n: int = 400) -> np.ndarray:
    spread = np.array([16.0, 4.0, 1.0, 0.01], dtype=np.float32)
    turned = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    drawn = np.random.default_rng(0).standard_normal((n, 4)) * spread
    return (drawn @ turned + 3.0).astype(np.float32)


def test_the_spread_of_leading_directions_is_half_way_to_even():
    data = rows()
    made = fit_evening(ArrayRows(data), 3)
    along = (data - made.mean) @ made.matrix
    deviation = along.std(axis=0)
    np.testing.assert_allclose(deviation, np.sqrt([16.0, 4.0, 1.0]), rtol=0.1)
    np.testing.assert_allclose(np.corrcoef(along.T), np.eye(3), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(made(data), axis=1), 1, atol=1e-5)


def test_no_more_directions_than_rows_can_say():
    assert fit_evening(ArrayRows(rows(7)), 4).matrix.shape == (4, 2)
    assert fit_evening(ArrayRows(rows(1)), 4).matrix.shape == (4, 1)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    made = fit_evening(ArrayRows(rows()), 2)
    made.save(tmp_path / "evening.npz")
    np.testing.assert_array_equal(Evening.load(tmp_path / "evening.npz")(rows(5)), made(rows(5)))

"""The index over image vectors: a file that is mapped into memory, exact for fewer images.

Vectors are kept centred and as float16, as the stores have them. An index that is not exact is one
of cells (inverted lists); it grows from the one before, whose cells stay.
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from sortal.configs.looks import SearchConfig
from sortal.storage.rows import FloatArray, Rows, take_rows
from sortal.tasks.arrays import centre

INDEX, KEYS, MEAN = "index.faiss", "keys.parquet", "mean.npy"
_BLOCK = 16384
_TRAINED_ON = 40  # images a cell
_MAPPED = faiss.IO_FLAG_MMAP_IFC


def build(rows: Rows, mean: FloatArray, config: SearchConfig, file: Path) -> bool:
    """Write an index over all rows; returns whether it is exact."""
    total, dim = rows.shape
    exact = total < config.exact_below
    index = _flat(dim) if exact else _trained(rows, mean, config)
    add(index, rows, mean)
    faiss.write_index(index, str(file))
    return exact


def grow(earlier: Path, gone: NDArray[np.int64], rows: Rows, mean: FloatArray, file: Path) -> None:
    """Write the index `earlier` without its rows `gone`, and with `rows` after the others."""
    index = faiss.read_index(str(earlier))
    if len(gone):
        index.remove_ids(faiss.IDSelectorBatch(gone))
    add(index, rows, mean)
    faiss.write_index(index, str(file))


def add(index: faiss.Index, rows: Rows, mean: FloatArray) -> None:
    """Add rows, centred by `mean`, block by block."""
    for block in rows.blocks(_BLOCK):
        index.add(np.ascontiguousarray(centre(block, mean)))


def open_index(file: Path, config: SearchConfig) -> faiss.Index:
    """The index of a file, mapped: what is not looked at is not read."""
    index: Any = faiss.read_index(str(file), _MAPPED)
    if hasattr(index, "nprobe"):
        index.nprobe = config.probed
        index.make_direct_map()
    return index


def nearest(
    index: faiss.Index, query: FloatArray, count: int, among: NDArray[np.bool_] | None = None
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Scores and rows of shape (n,) of the nearest to a query (dim,), the nearest first.

    `among` (ntotal,) says which rows may be found. The fewer they are, the more cells are looked
    into, so that they are found.
    """
    unit = query / max(float(np.linalg.norm(query)), 1e-12)
    count = max(1, min(count, index.ntotal))
    score, row = index.search(unit[None].astype(np.float32), count, params=_only(index, among))
    there = row[0] >= 0
    return score[0][there], row[0][there]


def _only(index: Any, among: NDArray[np.bool_] | None) -> Any:
    if among is None:
        return None
    lib: Any = faiss  # its own types lack what SWIG adds
    chosen = lib.IDSelectorBitmap(np.packbits(among, bitorder="little"))
    if not hasattr(index, "nprobe"):
        return lib.SearchParameters(sel=chosen)
    share = max(int(among.sum()), 1) / max(index.ntotal, 1)
    return lib.SearchParametersIVF(sel=chosen, nprobe=min(index.nlist, int(index.nprobe / share)))


def vector_of(index: faiss.Index, row: int) -> FloatArray:
    """The unit vector (dim,) that the index holds of a row."""
    found: Any = index.reconstruct(row)
    return np.asarray(found, np.float32)


def _flat(dim: int) -> faiss.Index:
    index = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.is_trained = True  # nothing is learnt for float16
    return index


def _trained(rows: Rows, mean: FloatArray, config: SearchConfig) -> faiss.Index:
    total, dim = rows.shape
    cells = min(config.cells, max(1, total // _TRAINED_ON))
    quantiser = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        quantiser, dim, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter = 8
    sample = np.random.default_rng(0).choice(total, min(total, _TRAINED_ON * cells), replace=False)
    index.train(centre(take_rows(rows, np.sort(sample)), mean))
    return index

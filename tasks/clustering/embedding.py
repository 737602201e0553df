"""The spectral embedding: leading eigenvectors of a graph's normalised adjacency matrix."""

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortal.storage.rows import FloatArray
from sortal.tasks.arrays import normalise

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

log = logging.getLogger("sortal")

_DENSE = 1024  # rows up to which the whole matrix is decomposed
_TOL = 1e-3  # of eigenvalues, which lie in [-1, 1]
_RESTARTS = 2000


def embed(graph: "csr_matrix", of: NDArray[np.int32], dim: int, seed: int) -> FloatArray:
    """Unit rows (n, dim) of a graph (n, n) whose unconnected parts are `of` (n,), fewer than dim.

    They are rows of the leading eigenvectors of D^-1/2 A D^-1/2 (Ng, Jordan and Weiss, 2001). One
    eigenvector of each part is known, D^1/2 1 with eigenvalue 1, and is kept out of the search,
    since eigenvalues that are equal are what Lanczos' method does not find. It may be less columns
    where that does not converge.
    """
    n_rows = graph.shape[0]
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    scale = (1.0 / np.sqrt(degrees)).astype(np.float32)
    matrix = graph.multiply(scale[:, None]).multiply(scale[None, :]).tocsr()
    if n_rows <= _DENSE or dim > n_rows // 2:
        from scipy.linalg import eigh

        among = (n_rows - dim, n_rows - 1)
        return normalise(eigh(matrix.toarray(), subset_by_index=among)[1].astype(np.float32))
    known = _known(degrees, of)
    found = _lanczos(matrix, known, dim - known.shape[1], seed)
    return normalise(np.hstack([known.toarray(), found]).astype(np.float32))


def _known(degrees: NDArray[np.floating], of: NDArray[np.int32]) -> "csr_matrix":
    """The eigenvector (n, C) of each of C unconnected parts: D^1/2 1 on its rows, of unit norm."""
    from scipy.sparse import csr_matrix

    norms = np.sqrt(np.bincount(of, weights=degrees))
    values = (np.sqrt(degrees) / norms[of]).astype(np.float32)
    return csr_matrix((values, (np.arange(len(of)), of)), (len(of), len(norms)))


def _lanczos(matrix: "csr_matrix", known: "csr_matrix", count: int, seed: int) -> FloatArray:
    """Eigenvectors (n, count) of the largest eigenvalues, `known` ones (n, C) left out."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    rest = known.T.tocsr()

    def times(vector: FloatArray) -> FloatArray:
        product: FloatArray = matrix @ vector - known @ (rest @ vector)
        return product

    operator = LinearOperator(matrix.shape, matvec=times, dtype=np.float32)
    begin = np.random.default_rng(seed).standard_normal(matrix.shape[0]).astype(np.float32)
    begin -= known @ (rest @ begin)
    try:
        found = eigsh(operator, count, which="LA", v0=begin, tol=_TOL, maxiter=_RESTARTS)[1]
    except ArpackNoConvergence as error:
        log.warning("%s of %s eigenvectors converged", error.eigenvectors.shape[1], count)
        found = error.eigenvectors
    vectors: FloatArray = found
    return vectors

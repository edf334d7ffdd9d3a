"""Dense linear algebra in pieces that one core does alone.

BLAS wakes its threads for matrices of quite ordinary size and then waits for all of them. In a notebook whose cores are
busy training that turns a suggestion of 20 ms into one of a second (measured: a triangular solve of 20 × 960 numbers took
8 ms instead of 0.02), and takes the cores from the training. Its thread count is a setting of the whole process, which is
not ours to change; so work is handed over in pieces below the size from which it is shared out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, lapack

Floats = NDArray[np.float64]

ALONE = 1 << 18
"""Multiplications below which OpenBLAS does a product on the calling thread."""
BLOCK = 96
"""Rows for which it factorises on the calling thread."""


def product(A: Floats, B: Floats) -> Floats:
    """A B, tile by tile."""
    (m, k), n = A.shape, B.shape[1]
    if m * k * n <= ALONE:
        small: Floats = A @ B
        return small
    tile = max(8, math.isqrt(ALONE // k))
    rows = tile if n > tile else max(1, ALONE // (n * k))
    columns = tile if m > tile else max(1, ALONE // (m * k))
    out = np.empty((m, n))
    for i in range(0, m, rows):
        for j in range(0, n, columns):
            np.matmul(A[i : i + rows], B[:, j : j + columns], out=out[i : i + rows, j : j + columns])
    return out


def whitened(A: Floats, R: Floats) -> Floats:
    """A Rᵀ for a lower triangular R, whose zeros are skipped."""
    ends = [*range(BLOCK, len(R), BLOCK), len(R)]
    starts = [0, *ends[:-1]]
    return np.hstack([product(A[:, :j], R[i:j, :j].T) for i, j in zip(starts, ends, strict=True)])


def gram(R: Floats) -> Floats:
    """Rᵀ R for a lower triangular R: the inverse of the matrix that R whitens."""
    n = len(R)
    step = max(8, 4 * ALONE // max(n * n, 1))
    out = np.empty((n, n))
    for i in range(0, n, step):
        j = min(i + step, n)
        out[i:j, :j] = product(R[i:, i:j].T, R[i:, :j])
        out[:i, i:j] = out[i:j, :i].T
    return out


def whiten(C: Floats) -> Floats:
    """R = L⁻¹ for the Cholesky factor of C = L Lᵀ, so that R C Rᵀ = I and Rᵀ R = C⁻¹; lower triangular.

    Multiplying by R is nearly as accurate as solving with L: its condition number is only the root of C's.
    """
    R = _whiten_alone(C[:BLOCK, :BLOCK])
    for i in range(BLOCK, len(C), BLOCK):
        rows = slice(i, i + BLOCK)
        R = grow(R, C[rows, :i], C[rows, rows])
    return R


def grow(R: Floats, cross: Floats, corner: Floats) -> Floats:
    """The R of [C crossᵀ; cross corner], given that of C: with V = cross Rᵀ and M Mᵀ = corner - V Vᵀ,

    [L 0; V M]⁻¹ = [R 0; -M⁻¹ V R  M⁻¹]
    """
    n, m = cross.shape[1], len(corner)
    V = whitened(cross, R)
    inverse = whiten(corner - product(V, V.T))
    out = np.zeros((n + m, n + m))
    out[:n, :n] = R
    out[n:, :n] = -product(inverse, product(V, R))
    out[n:, n:] = inverse
    return out


def _whiten_alone(C: Floats) -> Floats:
    L = cholesky(C, lower=True, check_finite=False)
    R: Floats = lapack.dtrtri(L, lower=True)[0]
    return R

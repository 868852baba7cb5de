"""LU, LDL and Householder factorizations of stacks of matrices, in LAPACK's storage.

Pivots are LAPACK's: 1-based, int32. The algorithms are those of Golub & Van Loan, *Matrix
Computations* (4th ed.), 3.4 (partial pivoting), 4.4 (Bunch and Kaufman's pivoting, which looks at
one column and one row) and 5.2; the order of the pivots' tests is that of LAPACK's `sytf2`. All
work in float64 and round once.
"""

from __future__ import annotations

import math

import numpy as np

#: Bunch and Kaufman's bound on the growth of elements (Golub & Van Loan, 4.4.3).
_GROWTH = (1 + math.sqrt(17)) / 8


def _stack(x: np.ndarray) -> np.ndarray:
    """A float64 copy as one stack of matrices."""
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:]).astype(np.float64, order="C")


def lu_factor(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(L below the diagonal and U, pivots, info) with partial pivoting.

    info: the 1-based place of the first pivot that is 0, else 0.
    """
    a = _stack(x)
    count, rows, columns = a.shape
    each = np.arange(count)
    rank = min(rows, columns)
    pivots = np.zeros((count, rank), np.int32)
    info = np.zeros(count, np.int32)
    for k in range(rank):
        best = np.abs(a[:, k:, k]).argmax(1) + k
        pivots[:, k] = best + 1
        row = a[each, best]
        a[each, best] = a[:, k]
        a[:, k] = row
        pivot = a[:, k, k]
        info[(info == 0) & (pivot == 0)] = k + 1
        a[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)[:, None]
        a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, k, None, k + 1 :]
    batch = x.shape[:-2]
    factors = a.reshape(x.shape).astype(x.dtype)
    return factors, pivots.reshape(*batch, rank), info.reshape(batch)


def pivot_matrix(pivots: np.ndarray, *, rows: int, dtype: np.dtype) -> np.ndarray:
    """P with P @ (the matrix with its rows exchanged) the matrix: what `pivots` undo."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    each = np.arange(len(flat))
    order = np.tile(np.arange(rows), (len(flat), 1))
    for k in range(flat.shape[-1]):
        other = flat[:, k] - 1
        order[each, other], order[each, k] = order[each, k], order[each, other]
    made = (np.arange(rows)[:, None] == order[:, None, :]).astype(dtype)
    return made.reshape(*pivots.shape[:-1], rows, rows)


def geqrf(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R on and above the diagonal, Householder vectors below it; their factors tau)."""
    raw, tau = np.linalg.qr(x, mode="raw")
    return np.ascontiguousarray(np.swapaxes(raw, -1, -2)), tau


def ldl_factor(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(L below the blocks of D, pivots, info) of symmetric matrices, of their lower triangles.

    Negative pivots, in pairs, mark the blocks of D that are 2 by 2.
    """
    stack = _stack(np.tril(x))
    size = x.shape[-1]
    pivots = np.zeros((len(stack), size), np.int32)
    info = np.zeros(len(stack), np.int32)
    for matrix, places, fault in zip(stack, pivots, info.reshape(-1, 1)):
        k = 0
        while k < size:
            k += _ldl_step(matrix, places, fault, k)
    batch = x.shape[:-2]
    factors = stack.reshape(x.shape).astype(x.dtype)
    return factors, pivots.reshape(*batch, size), info.reshape(batch)


def _ldl_step(a: np.ndarray, pivots: np.ndarray, info: np.ndarray, k: int) -> int:
    """Eliminate one column or two, from column k; how many."""
    place, width = _ldl_pivot(a, k)
    if place is None:
        info[0] = info[0] or k + 1
        pivots[k] = k + 1
        return 1
    last = k + width - 1
    if place != last:
        _exchange(a, last, place)
        if width == 2:
            a[k + 1, k], a[place, k] = a[place, k], a[k + 1, k]
    pivots[k : k + width] = place + 1 if width == 1 else -(place + 1)
    below = a[k + width :, k : k + width]
    block = a[k : k + width, k : k + width]
    block = np.tril(block) + np.tril(block, -1).T
    multipliers = np.linalg.solve(block, below.T).T
    a[k + width :, k + width :] -= np.tril(multipliers @ below.T)
    below[...] = multipliers
    return width


def _ldl_pivot(a: np.ndarray, k: int) -> tuple[int | None, int]:
    """The row to exchange with and the width of the block; None where the column is 0."""
    size = len(a)
    here = abs(a[k, k])
    if k + 1 == size:
        return (None if here == 0 else k), 1
    row = k + 1 + int(np.abs(a[k + 1 :, k]).argmax())
    largest = abs(a[row, k])
    if max(here, largest) == 0 or math.isnan(here):
        return None, 1
    if here >= _GROWTH * largest:
        return k, 1
    beside = max(np.abs(a[row, k:row]).max(), np.abs(a[row + 1 :, row]).max(initial=0))
    if here >= _GROWTH * largest * (largest / beside):
        return k, 1
    return row, (1 if abs(a[row, row]) >= _GROWTH * beside else 2)


def _exchange(a: np.ndarray, i: int, j: int) -> None:
    """Exchange rows and columns i < j of the symmetric matrix in the lower triangle from i on."""
    a[j + 1 :, i], a[j + 1 :, j] = a[j + 1 :, j].copy(), a[j + 1 :, i].copy()
    a[i + 1 : j, i], a[j, i + 1 : j] = a[j, i + 1 : j].copy(), a[i + 1 : j, i].copy()
    a[i, i], a[j, j] = a[j, j], a[i, i]


def ldl_solve(factors: np.ndarray, pivots: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x with a @ x = b, from what `ldl_factor` made of a."""
    stack, right = _stack(factors), _stack(b)
    for matrix, places, x in zip(stack, pivots.reshape(len(stack), factors.shape[-1]), right):
        blocks = _blocks(places)
        for k, width, place in blocks:
            end = k + width
            x[[end - 1, place]] = x[[place, end - 1]]
            x[end:] -= matrix[end:, k:end] @ x[k:end]
            block = np.tril(matrix[k:end, k:end])
            x[k:end] = np.linalg.solve(block + np.tril(block, -1).T, x[k:end])
        for k, width, place in reversed(blocks):
            end = k + width
            x[k:end] -= matrix[end:, k:end].T @ x[end:]
            x[[end - 1, place]] = x[[place, end - 1]]
    return right.reshape(b.shape).astype(b.dtype)


def _blocks(pivots: np.ndarray) -> list[tuple[int, int, int]]:
    """(first column, width, row exchanged with the last) of each block of D."""
    found, k = [], 0
    while k < len(pivots):
        width = 1 if pivots[k] > 0 else 2
        found.append((k, width, abs(int(pivots[k])) - 1))
        k += width
    return found

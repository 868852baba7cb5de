"""Samples of the decompositions and solvers.

Only `grad=True` where any small change of an operand keeps its meaning: `cholesky` and `eigh` read
one triangle and give a symmetric gradient, and eigenvectors have a free sign, so their derivatives
are tested through functions that do not see these (tests/ops/test_linalg.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample

_BATCHES = [(), (2,), (2, 1), (0,)]


def _matrices(rng: np.random.Generator, dtype: DType, *shape: int) -> np.ndarray:
    """Well-conditioned matrices: noise about the identity."""
    noise = rng.uniform(-0.3, 0.3, shape)
    return (noise + np.eye(shape[-2], shape[-1])).astype(dtype.numpy)


def _symmetric(rng: np.random.Generator, dtype: DType, *shape: int) -> np.ndarray:
    """Positive-definite, with eigenvalues that lie apart."""
    x = _matrices(rng, dtype, *shape)
    middle = np.arange(1, shape[-1] + 1, dtype=dtype.numpy)[:, None] * np.swapaxes(x, -1, -2)
    product = x @ middle
    return (product + np.swapaxes(product, -1, -2)) / 2


def _square(*attrs: dict):
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        sizes = [(*batch, 3, 3) for batch in _BATCHES] + [(1, 1)]
        return [Sample((_matrices(rng, dtype, *s),), dict(a)) for s in sizes for a in attrs]

    return samples


def _of_symmetric(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    sizes = [(*batch, 3, 3) for batch in _BATCHES] + [(1, 1), (2, 1, 1)]
    return [
        Sample((_symmetric(rng, dtype, *size),), {"upper": upper}, grad=size[-1] == 1)
        for size in sizes
        for upper in (False, True)
    ]


def _solve(*attrs: dict):
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        return [
            Sample(
                (_matrices(rng, dtype, *b, 3, 3), _matrices(rng, dtype, *b, 3, columns)), dict(a)
            )
            for b in _BATCHES
            for columns in (2, 0)
            for a in attrs
        ]

    return samples


def _qr(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    shapes = [(3, 3), (4, 2), (2, 4, 3), (0, 3, 2)]
    made = [Sample((_matrices(rng, dtype, *s),), {"mode": "reduced"}) for s in shapes]
    return [*made, Sample((_matrices(rng, dtype, 3, 3),), {"mode": "complete"})]


def _svd(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape in [(3, 3), (4, 2), (2, 2, 3), (0, 2, 2)]:
        x = _matrices(rng, dtype, *shape) * np.arange(1, shape[-1] + 1, dtype=dtype.numpy)
        made.append(Sample((x,), {"full": False}))
    return [*made, Sample((_matrices(rng, dtype, 3, 3),), {"full": True})]


_TRIANGLES = [
    {"upper": upper, "unit": unit, "trans": trans}
    for upper in (False, True)
    for unit in (False, True)
    for trans in (False, True)
]

SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "solve": _solve({}),
    "triangular_solve": _solve(*_TRIANGLES),
    "inv": _square({}),
    "det": _square({}),
    "slogdet": _square({}),
    "cholesky": _of_symmetric,
    "eigh": _of_symmetric,
    "qr": _qr,
    "svd": _svd,
}


def _torch_triangular_solve(torch, a, b, *, upper, unit, trans):
    if trans:
        a, upper = a.mT, not upper
    return torch.linalg.solve_triangular(a, b, upper=upper, unitriangular=unit)


# The signs of eigenvectors and singular vectors are free: no parity for `eigh` and `svd`.
TORCH: dict[str, Callable] = {
    "solve": lambda torch, a, b: torch.linalg.solve(a, b),
    "triangular_solve": _torch_triangular_solve,
    "inv": lambda torch, x: torch.linalg.inv(x),
    "det": lambda torch, x: torch.linalg.det(x),
    "slogdet": lambda torch, x: tuple(torch.linalg.slogdet(x)),
    "cholesky": lambda torch, x, *, upper: torch.linalg.cholesky(x, upper=upper),
    "qr": lambda torch, x, *, mode: tuple(torch.linalg.qr(x, mode)),
}

"""Samples of the decompositions and solvers.

Only `grad=True` where any small change of an operand keeps its meaning: `cholesky` and `eigh` read
one triangle and give a symmetric gradient, and eigenvectors have a free sign, so their derivatives
are tested through functions that do not see these (tests/ops/test_linalg.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ops.numeric.factor import ldl_factor
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


def _cofactors(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    singular = _matrices(rng, dtype, 4, 4)
    singular[3] = singular[1] * 2
    return [*_square({})(rng, dtype), Sample((singular,))]


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
    shapes = [(3, 3), (4, 2), (2, 4, 3), (0, 3, 2), (2, 3), (2, 2, 4)]
    made = [Sample((_matrices(rng, dtype, *s),), {"mode": "reduced"}) for s in shapes]
    return [
        *made,
        *[Sample((_matrices(rng, dtype, *s),), {"mode": "complete"}) for s in [(3, 3), (2, 3)]],
    ]


def _svd(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape in [(3, 3), (4, 2), (2, 2, 3), (0, 2, 2)]:
        x = _matrices(rng, dtype, *shape) * np.arange(1, shape[-1] + 1, dtype=dtype.numpy)
        made.append(Sample((x,), {"full": False}))
    return [*made, Sample((_matrices(rng, dtype, 3, 3),), {"full": True})]


def _lu_factor(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    shapes = [(3, 3), (4, 2), (2, 4), (2, 4, 3), (2, 1, 2, 3), (0, 3, 3), (1, 1), (2, 0, 3)]
    made = [_matrices(rng, dtype, *s) for s in shapes]
    turned = made[0][::-1].copy()  # its rows are exchanged
    return [Sample((x,), {"strict": True}) for x in [*made, turned]]


def _pivot_matrix(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    pivots = [np.array(p, dtype.numpy) for p in ([3, 3, 3], [2, 2], [[1, 3], [4, 4]], [])]
    made = [Sample((p,), {"rows": 4, "dtype": dtypes.float32}) for p in pivots]
    none = np.zeros((0, 2), dtype.numpy)
    return [*made, Sample((none,), {"rows": 2, "dtype": dtypes.float64})]


def _indefinite(rng: np.random.Generator, dtype: DType, *shape: int) -> np.ndarray:
    x = rng.standard_normal(shape)
    return (x + np.swapaxes(x, -1, -2)).astype(dtype.numpy)


def _ldl_factor(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    shapes = [(3, 3), (6, 6), (2, 5, 5), (0, 2, 2), (2, 0, 0), (1, 1)]
    made = [Sample((_indefinite(rng, dtype, *s),), {"strict": True}) for s in shapes]
    exchange = np.array([[0, 1], [1, 0]], dtype.numpy)  # a block of D
    zero = Sample((np.zeros((2, 2), dtype.numpy),), {"strict": False})
    return [*made, Sample((exchange,), {"strict": True}), zero]


def _ldl_solve(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape in [(3, 3), (6, 6), (2, 5, 5), (0, 2, 2), (2, 0, 0)]:
        factors, pivots, _ = ldl_factor(_indefinite(rng, dtype, *shape))
        made += [
            Sample((factors, pivots, _matrices(rng, dtype, *shape[:-1], k)), {}) for k in (2, 0)
        ]
    return made


def _geqrf(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    shapes = [(3, 3), (4, 2), (2, 4), (2, 4, 3), (0, 3, 3)]
    return [Sample((_matrices(rng, dtype, *s),), {}) for s in shapes]


def _eig(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    """Eigenvalues that lie apart; derivatives of vectors through what does not see their phase are
    tested in tests/autograd/test_complex_torch.py."""
    made = []
    for shape in [(3, 3), (2, 2, 2), (0, 2, 2), (1, 1)]:
        x = rng.uniform(-1, 1, shape) + np.arange(1, shape[-1] + 1) * 2 * np.eye(shape[-1])
        made.append(Sample((x.astype(dtype.numpy),), grad=shape == (1, 1)))
    return made


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
    "cofactors": _cofactors,
    "inverse_or_infinite": _square({}),
    "cholesky": _of_symmetric,
    "eigh": _of_symmetric,
    "qr": _qr,
    "svd": _svd,
    "lu_factor": _lu_factor,
    "pivot_matrix": _pivot_matrix,
    "ldl_factor": _ldl_factor,
    "ldl_solve": _ldl_solve,
    "geqrf": _geqrf,
    "eig": _eig,
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
    "lu_factor": lambda torch, x, *, strict: tuple(torch.linalg.lu_factor_ex(x)),
    "ldl_factor": lambda torch, x, *, strict: tuple(torch.linalg.ldl_factor_ex(x)),
    "ldl_solve": lambda torch, x, pivots, b: torch.linalg.ldl_solve(x, pivots, b),
    "geqrf": lambda torch, x: tuple(torch.geqrf(x)),
}

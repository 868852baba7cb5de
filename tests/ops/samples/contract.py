"""Samples of contraction."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values

NONE = ((), ())
CASES = (
    ((3, 4), (4, 5), ((1,), (0,)), NONE),
    ((3, 4), (5, 4), ((1,), (1,)), NONE),  # b transposed
    ((4, 3), (4, 5), ((0,), (0,)), NONE),  # a transposed
    ((2, 3, 4), (2, 4, 5), ((2,), (1,)), ((0,), (0,))),
    ((2, 6, 3, 4), (6, 2, 4, 5), ((3,), (2,)), ((0, 1), (1, 0))),
    ((3, 4, 2), (2, 5, 4), ((1, 2), (2, 0)), NONE),  # two contracted axes, in another order
    ((3, 2, 4), (4, 3, 2), ((2, 0), (0, 1)), ((1,), (2,))),
    ((4,), (4,), ((0,), (0,)), NONE),  # an inner product: 0-d
    ((3,), (4,), NONE, NONE),  # an outer product
    ((), (), NONE, NONE),
    ((5,), (5,), NONE, ((0,), (0,))),
    ((40, 70), (70, 33), ((1,), (0,)), NONE),  # past the smallest blocks of BLAS
    ((0, 4), (4, 5), ((1,), (0,)), NONE),
    ((3, 0), (0, 5), ((1,), (0,)), NONE),  # a sum of nothing is 0
    ((0, 3, 4), (0, 4, 5), ((2,), (1,)), ((0,), (0,))),
)


def _dot(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, shape_a), values(rng, dtype, shape_b)),
            {"contract": contract, "batch": batch},
        )
        for shape_a, shape_b, contract, batch in CASES
    ]


def _einsum(torch: Any, a: Any, b: Any, *, contract: Any, batch: Any) -> Any:
    """The contraction by names: axis i of a is named i, an axis of b like its partner in a."""
    names_a = list(range(a.ndim))
    names_b = [a.ndim + i for i in range(b.ndim)]
    for of_a, of_b in (contract, batch):
        for i, j in zip(of_a, of_b):
            names_b[j] = i
    named = [*batch[0], *[n for n in names_a if n not in (*batch[0], *contract[0])]]
    result = named + [n for n in names_b if n >= a.ndim]
    if a.dtype in (torch.float16, torch.bfloat16):  # PyTorch may round between its steps
        return torch.einsum(a.float(), names_a, b.float(), names_b, result).to(a.dtype)
    return torch.einsum(a, names_a, b, names_b, result)


SAMPLES: dict[str, SampleMaker] = {"dot_general": _dot}
TORCH = {"dot_general": _einsum}

"""Samples of attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values


def _attention(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    def operands(lead: tuple[int, ...], length: int, keys: int) -> tuple[np.ndarray, ...]:
        shapes = ((*lead, length, 4), (*lead, keys, 4), (*lead, keys, 3))
        return tuple(values(rng, dtype, shape, -1.5, 1.5) for shape in shapes)

    allowed = values(rng, dtypes.bool_, (5, 6))
    allowed[:, 0] = True
    blind = allowed.copy()
    blind[2] = False
    added = values(rng, dtype, (2, 1, 5, 6))
    plain = {"scale": 0.5, "causal": False}
    causal = {"scale": 0.7, "causal": True}
    return [
        Sample(operands((2, 3), 5, 6), plain),
        Sample(operands((), 4, 4), causal),
        Sample(operands((2,), 3, 5), causal),
        Sample(operands((2,), 5, 3), causal),
        Sample((*operands((2, 3), 5, 6), allowed), plain),
        Sample((*operands((2, 3), 5, 6), blind), plain),
        Sample((*operands((2, 3), 5, 6), added), plain),
        Sample(operands((0, 2), 3, 4), plain),
    ]


SAMPLES = {"attention": _attention}


def _torch_attention(
    torch: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> Any:
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(
            q, k, v, *mask, is_causal=causal, scale=scale
        )


TORCH = {"attention": _torch_attention}

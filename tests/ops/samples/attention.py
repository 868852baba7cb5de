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


def _attention_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for sample in _attention(rng, dtype):
        q, k, v, *mask = sample.inputs
        g = values(rng, dtype, (*q.shape[:-1], v.shape[-1]), -1.5, 1.5)
        wide = dtypes.float32 if dtype.is_half else dtype
        delta = values(rng, wide, (*q.shape[:-1], 1), -1.0, 1.0)
        # Any number serves; one above the scores keeps the weights below 1.
        lse = values(rng, wide, (*q.shape[:-1], 1), 5.0, 6.0)
        samples.append(Sample((g, q, k, v, delta, lse, *mask), sample.attrs))
    return samples


SAMPLES = {"attention": _attention, "attention_grad": _attention_grad}


def _torch_attention(
    torch: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> Any:
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        y = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, *mask, is_causal=causal, scale=scale
        )
    half = q.dtype in (torch.float16, torch.bfloat16)
    q, k = (q.float(), k.float()) if half else (q, k)
    scores = q @ k.mT * scale
    for part in mask:
        if part.dtype is torch.bool:
            scores = scores.masked_fill(~part, -torch.inf)
        else:
            scores = scores + part
    if causal:
        scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -torch.inf)
    blind = (scores == -torch.inf).all(-1, keepdim=True)
    lse = scores.masked_fill(blind, 0.0).logsumexp(-1, keepdim=True)
    return y, lse.masked_fill(blind, 0.0)


TORCH = {"attention": _torch_attention}

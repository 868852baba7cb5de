"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait._autocast import lower
from plait._tensor import Tensor
from plait.core.functional import arithmetic as fn
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step
from plait.core.ops.attention import ATTENTION
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import cast
from plait.core.ops.softmax import SOFTMAX
from plait.core.ops.view import broadcast, reshape, transpose
from plait.nn.functional._arguments import c_name, constant_array, require_tensor
from plait.nn.functional.dropout import dropout


def _require_operands(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    name = "scaled_dot_product_attention"
    for number, (what, x) in enumerate((("query", query), ("key", key), ("value", value)), 1):
        require_tensor(name, what, x, number)
    if not query.dtype is key.dtype is value.dtype:
        raise error(
            RuntimeError,
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{c_name(query.dtype)} key.dtype: {c_name(key.dtype)} and value.dtype: "
            f"{c_name(value.dtype)} instead.",
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise error(
            RuntimeError,
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead.",
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise error(
            RuntimeError,
            f"{name}: expected query (..., L, E), key (..., S, E) and value (..., S, V), but got "
            f"query {list(query.shape)}, key {list(key.shape)} and value {list(value.shape)}",
        )
    if mask is not None and mask.dtype not in (dtypes.bool_, dtypes.float32, query.dtype):
        raise error(
            RuntimeError,
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {c_name(mask.dtype)} and  query.dtype: {c_name(query.dtype)} "
            "instead.",
        )


def _repeat_heads(x: Tensor, heads: int) -> Any:
    """Each head of (..., h, S, E) repeated side by side until there are `heads`."""
    *lead, held, length, width = x.shape
    if held == heads:
        return x
    spread = broadcast(
        reshape(x, (*lead, held, 1, length, width)),
        (*lead, held, heads // held, length, width),
    )
    return reshape(spread, (*lead, heads, length, width))


def _share_heads(query: Tensor, key: Tensor, value: Tensor) -> tuple[Any, Any]:
    heads = query.shape[-3]
    if heads % key.shape[-3] or heads % value.shape[-3]:
        raise error(
            RuntimeError,
            "Number of heads in key and value must divide the number of heads in query "
            f"(scaled_dot_product_attention: query {list(query.shape)}, key {list(key.shape)}, "
            f"value {list(value.shape)})",
        )
    return _repeat_heads(key, heads), _repeat_heads(value, heads)


@one_step
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + mask) value over the last two axes (arXiv:1706.03762).

    query (..., L, E), key (..., S, E), value (..., S, V) -> (..., L, V); leading axes broadcast.
    attn_mask: bool (True: may look) or added to the scores. is_causal: query i sees keys 0 .. i.
    scale: default 1 / sqrt(E). enable_gqa: heads of key and value are repeated to the query's.
    """
    query, key, value, attn_mask = lower(query, key, value, attn_mask)
    _require_operands(query, key, value, attn_mask)
    k, v = _share_heads(query, key, value) if enable_gqa else (key, value)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    masks = [] if attn_mask is None else [attn_mask]
    lead = broadcast_shapes(
        "scaled_dot_product_attention",
        query.shape[:-2],
        k.shape[:-2],
        v.shape[:-2],
        *[m.shape[:-2] for m in masks],
    )
    q, k, v = [broadcast(x, (*lead, *x.shape[-2:])) for x in (query, k, v)]
    scores = (*lead, q.shape[-2], k.shape[-2])
    for mask in masks:
        broadcast_shapes("scaled_dot_product_attention (attn_mask)", scores, mask.shape)
    masks = [m if m.dtype is dtypes.bool_ else cast(m, q.dtype) for m in masks]
    if dropout_p == 0.0:
        y, _ = ATTENTION(q, k, v, *masks, scale=factor, causal=bool(is_causal))
        return y
    return _with_dropout(q, k, v, masks, scores, dropout_p, bool(is_causal), factor)


def _with_dropout(
    q: Any, k: Any, v: Any, masks: list[Any], shape: Any, p: float, causal: bool, scale: float
) -> Any:
    """Attention whose weights are dropped out."""
    rank = len(shape)
    swapped = transpose(k, (*range(rank - 2), rank - 1, rank - 2))
    scores = fn.mul(matmul(q, swapped), scale)
    for mask in masks:
        if mask.dtype is dtypes.bool_:
            scores = fn.where(mask, scores, -math.inf)
        else:
            scores = fn.add(scores, mask)
    if causal:
        below = constant_array(np.tri(shape[-2], shape[-1], dtype=bool))
        scores = fn.where(below, scores, -math.inf)
    most = fn.largest(scores, (rank - 1,), keep=True)
    blind = broadcast(fn.equal(most, -math.inf), tuple(shape))
    # A query that may look nowhere gets zeros; finite scores keep nan out of the gradient.
    weights = SOFTMAX(fn.where(blind, 0, scores), axis=rank - 1)
    return matmul(dropout(fn.where(blind, 0, weights), p), v)

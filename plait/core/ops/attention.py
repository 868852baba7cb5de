"""Scaled dot-product attention.

Source: Vaswani et al., *Attention Is All You Need* (arXiv:1706.03762).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, EQ, GE, MUL, WHERE, cast
from plait.core.ops.families import REAL, contiguous, require_kind, require_same_dtype
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import scaled
from plait.core.ops.reduce import MAX
from plait.core.ops.rows import minus, row_sum, spread, widen
from plait.core.ops.softmax import SOFTMAX, softmax
from plait.core.ops.source import ARANGE, constant
from plait.core.ops.view import broadcast, reshape, sum_to, transpose

_NOTHING = float("-inf")


def _infer_attention(
    q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, Any]:
    """softmax(q k^T * scale + mask) v over the last two axes.

    q: (..., L, E), k: (..., S, E), v: (..., S, V), with equal leading axes; result (..., L, V).
    mask, optional, broadcasts to (..., L, S): bool, True where a query may look, or added as it is.
    causal: query i looks at keys 0 .. i. A query that may look nowhere gets zeros, as in PyTorch.
    """
    require_same_dtype("attention", q, k, v)
    require_kind("attention", q.dtype, REAL)
    lead = q.shape[:-2]
    if (
        not len(q.shape) == len(k.shape) == len(v.shape) >= 2
        or not lead == k.shape[:-2] == v.shape[:-2]
        or q.shape[-1] != k.shape[-1]
        or k.shape[-2] != v.shape[-2]
    ):
        raise ShapeError(
            f"attention: expected q (..., L, E), k (..., S, E), v (..., S, V), received shapes "
            f"{list(q.shape)}, {list(k.shape)}, {list(v.shape)}"
        )
    _require_mask(mask, q, _scores_shape(q, k))
    return (*lead, q.shape[-2], v.shape[-1]), q.dtype


def _scores_shape(q: Any, k: Any) -> tuple[int, ...]:
    return (*q.shape[:-1], k.shape[-2])


def _require_mask(mask: tuple[Any, ...], q: Any, scores: tuple[int, ...]) -> None:
    for part in mask:
        if part.dtype is not dtypes.bool_ and part.dtype is not q.dtype:
            raise DTypeError(
                f"attention: the mask must be bool or {q.dtype.name} like the query, received "
                f"{part.dtype.name}"
            )
        tail = scores[len(scores) - len(part.shape) :]
        if len(part.shape) > len(scores) or any(n not in (1, m) for n, m in zip(part.shape, tail)):
            raise ShapeError(
                f"attention: a mask of shape {list(part.shape)} does not expand to the scores' "
                f"{list(scores)}"
            )


def _flops(q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool) -> int:
    scores = elements(_scores_shape(q, k))
    return scores * (2 * q.shape[-1] + 2 * v.shape[-1] + 20)


# -- in primitives ----------------------------------------------------------------------------


def _swap(x: Any) -> Any:
    """The last two axes exchanged."""
    rank = len(x.shape)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def _below_diagonal(shape: tuple[int, ...]) -> Any:
    """True where the column's number is at most the row's: shape (..., L, S)."""
    rows = ARANGE(start=0, step=1, size=shape[-2], dtype=dtypes.int64)
    columns = ARANGE(start=0, step=1, size=shape[-1], dtype=dtypes.int64)
    rows = broadcast(reshape(rows, (shape[-2], 1)), shape)
    return GE(rows, broadcast(columns, shape))


def _probabilities(q: Any, k: Any, mask: tuple[Any, ...], scale: float, causal: bool) -> Any:
    """(..., L, S) weights of the keys for each query, which are zero where it may not look."""
    scores = scaled(matmul(q, _swap(k)), scale)
    nothing = constant(_NOTHING, scores)
    for part in mask:
        if part.dtype is dtypes.bool_:
            scores = WHERE(spread(part, scores), scores, nothing)
        else:
            scores = ADD(scores, spread(widen(part), scores))
    if causal:
        scores = WHERE(_below_diagonal(scores.shape), scores, nothing)
    axis = len(scores.shape) - 1
    if (not mask and not causal) or scores.shape[axis] == 0:
        return SOFTMAX(scores, axis=axis)
    most = MAX(scores, axes=(axis,))
    blind = spread(EQ(most, constant(_NOTHING, most)), scores)
    # A blind row is given finite scores before the softmax, so that no gradient is nan.
    seen = SOFTMAX(WHERE(blind, constant(0, scores), scores), axis=axis)
    return WHERE(blind, constant(0, seen), seen)


def _attention_body(q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool) -> Any:
    weights = _probabilities(widen(q), widen(k), mask, scale, causal)
    return cast(matmul(weights, widen(v)), q.dtype)


def _attention_vjp(
    g: Any, y: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, ...]:
    dtype = q.dtype
    g, q, k, v = widen(g), widen(q), widen(k), widen(v)
    p = _probabilities(q, k, mask, scale, causal)
    grad_v = matmul(_swap(p), g)
    grad_p = matmul(g, _swap(v))
    axis = len(p.shape) - 1
    grad_scores = MUL(p, minus(grad_p, row_sum(grad_p, p, (axis,))))
    inner = scaled(grad_scores, scale)
    grads = [matmul(inner, k), matmul(_swap(inner), q), grad_v]
    for part in mask:
        added = part.dtype is not dtypes.bool_
        grads.append(sum_to(grad_scores, part.shape) if added else None)
    return tuple([None if grad is None else cast(grad, dtype) for grad in grads])


# -- on NumPy ---------------------------------------------------------------------------------


def _attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *mask: np.ndarray, scale: float, causal: bool
) -> np.ndarray:
    scores = np.matmul(contiguous(q), contiguous(k).swapaxes(-1, -2))
    scores *= q.dtype.type(scale)
    for part in mask:
        if part.dtype == bool:
            scores[~np.broadcast_to(part, scores.shape)] = _NOTHING
        else:
            scores += part
    if causal:
        scores[..., ~np.tri(*scores.shape[-2:], dtype=bool)] = _NOTHING
    weights = softmax(scores, axis=-1)
    if scores.size and (mask or causal):
        weights[np.max(scores, axis=-1) == _NOTHING] = 0
    return np.matmul(weights, contiguous(v))


ATTENTION = Op(
    "attention",
    infer=_infer_attention,
    lowering=Lowering.ATTENTION,
    reference=_attention,
    body=_attention_body,
    vjp=_attention_vjp,
    saves=(0, 1, 2, 3),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)

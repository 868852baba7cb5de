"""Scaled dot-product attention.

It gives, besides its result, the logarithm of each query's sum of exponentials: from this one
number per query the backward pass finds any weight again, so that the weights are never kept.
Sources: Vaswani et al., *Attention Is All You Need* (arXiv:1706.03762); Dao et al.,
*FlashAttention* (arXiv:2205.14135).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, DIV, EQ, GE, LOG, MUL, SUB, WHERE, cast
from plait.core.ops.families import REAL, contiguous, require_kind, require_same_dtype
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import EXP, scaled
from plait.core.ops.reduce import MAX, SUM
from plait.core.ops.rows import minus, row_sum, spread, wide_of, widen
from plait.core.ops.source import ARANGE, constant, full
from plait.core.ops.view import broadcast, reshape, sum_to, transpose

_NOTHING = float("-inf")


def _infer_attention(
    q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, Any]:
    """softmax(q k^T * scale + mask) v over the last two axes.

    q: (..., L, E), k: (..., S, E), v: (..., S, V), with equal leading axes; results (..., L, V) and
    the log of the sum of exp(scores) of each query, (..., L, 1), float32 for 16-bit operands.
    mask, optional, broadcasts to (..., L, S): bool, True where a query may look, or added as it is.
    causal: query i looks at keys 0 .. i. A query that may look nowhere gets zeros, as in PyTorch,
    and 0 for the logarithm: exp(-inf - 0) is its weights.
    """
    _require_operands("attention", q, k, v)
    _require_mask(mask, q, _scores_shape(q, k))
    y = (*q.shape[:-1], v.shape[-1])
    return (y, (*q.shape[:-1], 1)), (q.dtype, wide_of(q.dtype))


def _require_operands(name: str, q: Any, k: Any, v: Any) -> None:
    require_same_dtype(name, q, k, v)
    require_kind(name, q.dtype, REAL)
    lead = q.shape[:-2]
    if (
        not len(q.shape) == len(k.shape) == len(v.shape) >= 2
        or not lead == k.shape[:-2] == v.shape[:-2]
        or q.shape[-1] != k.shape[-1]
        or k.shape[-2] != v.shape[-2]
    ):
        raise ShapeError(
            f"{name}: expected q (..., L, E), k (..., S, E), v (..., S, V), received shapes "
            f"{list(q.shape)}, {list(k.shape)}, {list(v.shape)}"
        )


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


def _masked_scores(q: Any, k: Any, mask: tuple[Any, ...], scale: float, causal: bool) -> Any:
    """(..., L, S) scores, -inf where a query may not look."""
    scores = scaled(matmul(q, _swap(k)), scale)
    nothing = constant(_NOTHING, scores)
    for part in mask:
        if part.dtype is dtypes.bool_:
            scores = WHERE(spread(part, scores), scores, nothing)
        else:
            scores = ADD(scores, spread(widen(part), scores))
    return WHERE(_below_diagonal(scores.shape), scores, nothing) if causal else scores


def _attention_body(
    q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, Any]:
    scores = _masked_scores(widen(q), widen(k), mask, scale, causal)
    axis = len(scores.shape) - 1
    if scores.shape[axis] == 0:
        y = cast(matmul(scores, widen(v)), q.dtype)
        return y, full(0, (*scores.shape[:-1], 1), scores.dtype)
    most = MAX(scores, axes=(axis,))
    blind = EQ(most, constant(_NOTHING, most)) if mask or causal else None
    if blind is not None:
        # A blind row is given finite scores before the softmax, so that no gradient is nan.
        scores = WHERE(spread(blind, scores), constant(0, scores), scores)
        most = WHERE(blind, constant(0, most), most)
    weights = EXP(minus(scores, most))
    total = SUM(weights, axes=(axis,))
    weights = DIV(weights, spread(total, weights))
    lse = ADD(most, LOG(total))
    if blind is not None:
        weights = WHERE(spread(blind, weights), constant(0, weights), weights)
        lse = WHERE(blind, constant(0, lse), lse)
    return cast(matmul(weights, widen(v)), q.dtype), lse


def _attention_vjp(
    g: Any, y: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, ...]:
    (g, g_lse), (y, lse) = g, y
    # Of a row of weights p: p (dp - sum(p dp)), and sum(p dp) is the row's g . y.
    delta = SUB(row_sum(widen(g), widen(y), (len(y.shape) - 1,)), g_lse)
    attrs = {"scale": scale, "causal": causal}
    grads = list(ATTENTION_GRAD(g, q, k, v, delta, lse, *mask, **attrs))
    for part in mask:
        if part.dtype is dtypes.bool_:
            grads.append(None)
            continue
        # The gradient of an added mask is as large as the scores in any case.
        _, by_score = _weights_and_gradient(g, q, k, v, delta, lse, mask, **attrs)
        grads.append(cast(sum_to(by_score, part.shape), part.dtype))
    return tuple(grads)


# -- the backward pass ------------------------------------------------------------------------


def _infer_attention_grad(
    g: Any, q: Any, k: Any, v: Any, delta: Any, lse: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, Any]:
    """Gradients of q, k and v.

    g: of the result of attention; q, k, v, mask: its operands; lse: its second result. delta
    (..., L, 1): the sum of g * y over each row, less the gradient of lse. With the weights
    p = exp(scores - lse): dv = p^T g, ds = p (g v^T - delta), dq = scale ds k, dk = scale ds^T q.
    """
    _require_operands("attention_grad", q, k, v)
    _require_mask(mask, q, _scores_shape(q, k))
    require_same_dtype("attention_grad", g, q)
    rows = (*q.shape[:-1], 1)
    if g.shape != (*q.shape[:-1], v.shape[-1]) or not delta.shape == lse.shape == rows:
        raise ShapeError(
            f"attention_grad: expected a gradient {[*q.shape[:-1], v.shape[-1]]} and two operands "
            f"{list(rows)}, received {list(g.shape)}, {list(delta.shape)}, {list(lse.shape)}"
        )
    if not delta.dtype is lse.dtype is wide_of(q.dtype):
        raise DTypeError(
            f"attention_grad: expected delta and lse of {wide_of(q.dtype).name}, received "
            f"{delta.dtype.name}, {lse.dtype.name}"
        )
    return (q.shape, k.shape, v.shape), (q.dtype, q.dtype, q.dtype)


def _weights_and_gradient(
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    delta: Any,
    lse: Any,
    mask: tuple[Any, ...],
    scale: float,
    causal: bool,
) -> tuple[Any, Any]:
    """The weights (..., L, S) and the gradient of the scores, both wide."""
    weights = EXP(minus(_masked_scores(widen(q), widen(k), mask, scale, causal), lse))
    by_weight = matmul(widen(g), _swap(widen(v)))
    return weights, MUL(weights, minus(by_weight, delta))


def _attention_grad_body(
    g: Any, q: Any, k: Any, v: Any, delta: Any, lse: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, Any, Any]:
    weights, by_score = _weights_and_gradient(g, q, k, v, delta, lse, mask, scale, causal)
    inner = scaled(by_score, scale)
    grads = (
        matmul(inner, widen(k)),
        matmul(_swap(inner), widen(q)),
        matmul(_swap(weights), widen(g)),
    )
    grad_q, grad_k, grad_v = [cast(grad, q.dtype) for grad in grads]
    return grad_q, grad_k, grad_v


def _grad_flops(
    g: Any, q: Any, k: Any, v: Any, delta: Any, lse: Any, *mask: Any, scale: float, causal: bool
) -> int:
    scores = elements(_scores_shape(q, k))
    return scores * (6 * q.shape[-1] + 4 * v.shape[-1] + 20)


# -- on NumPy ---------------------------------------------------------------------------------


def _scores(
    q: np.ndarray, k: np.ndarray, mask: tuple[np.ndarray, ...], scale: float, causal: bool
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
    return scores


def _attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *mask: np.ndarray, scale: float, causal: bool
) -> tuple[np.ndarray, np.ndarray]:
    scores = _scores(q, k, mask, scale, causal)
    rows = (*scores.shape[:-1], 1)
    if scores.size == 0:
        return np.matmul(scores, contiguous(v)), np.zeros(rows, q.dtype)
    most = np.max(scores, axis=-1, keepdims=True)
    blind = most == _NOTHING if mask or causal else np.zeros(rows, bool)
    scores -= np.where(blind, 0, most)
    np.exp(scores, out=scores)
    total = np.where(blind, 1, scores.sum(-1, keepdims=True))
    scores /= total
    lse = np.where(blind, 0, most + np.log(total))
    return np.matmul(scores, contiguous(v)), lse.astype(q.dtype, copy=False)


def _attention_grad(
    g: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    delta: np.ndarray,
    lse: np.ndarray,
    *mask: np.ndarray,
    scale: float,
    causal: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    g, q, k, v = contiguous(g), contiguous(q), contiguous(k), contiguous(v)
    weights = np.exp(_scores(q, k, mask, scale, causal) - lse)
    by_score = np.matmul(g, v.swapaxes(-1, -2))
    by_score -= delta
    by_score *= weights
    by_score *= q.dtype.type(scale)
    grad_q = np.matmul(by_score, k)
    grad_k = np.matmul(np.ascontiguousarray(by_score.swapaxes(-1, -2)), q)
    return grad_q, grad_k, np.matmul(np.ascontiguousarray(weights.swapaxes(-1, -2)), g)


ATTENTION = Op(
    "attention",
    infer=_infer_attention,
    lowering=Lowering.ATTENTION,
    reference=_attention,
    body=_attention_body,
    vjp=_attention_vjp,
    saves=(0, 1, 2, 3, "y"),
    flops=_flops,
    outputs=2,
    dtypes=dtypes_of_kinds(REAL),
)

ATTENTION_GRAD = Op(
    "attention_grad",
    infer=_infer_attention_grad,
    lowering=Lowering.ATTENTION,
    reference=_attention_grad,
    body=_attention_grad_body,
    flops=_grad_flops,
    outputs=3,
    dtypes=dtypes_of_kinds(REAL),
)

"""Losses over class labels: negative log-likelihood, cross-entropy, and the check of labels.

Scores are (N, C, *S), labels (N, *S) int64, class weights (C,). A label equal to `ignore`
contributes nothing. `reduction`: "none" gives (N, *S); "sum" and "mean" give a 0-d result, the mean
divided by the sum of the weights of the labels that count. Ops assume labels in range: CHECK_LABEL
sees to it. Label smoothing after Szegedy et al., *Rethinking the Inception Architecture*
(arXiv:1512.00567).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ADD, AND, DIV, EQ, MUL, NE, NEG, SUB, WHERE, cast
from plait.core.ops.families import REAL, contiguous, require_kind, require_same_dtype
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import scaled
from plait.core.ops.reduce import SUM
from plait.core.ops.rows import spread, times, wide_of, widen
from plait.core.ops.softmax import LOG_SOFTMAX, SOFTMAX, log_softmax
from plait.core.ops.source import ARANGE, constant
from plait.core.ops.view import broadcast, reshape

REDUCTIONS = ("none", "sum", "mean")

# -- labels -----------------------------------------------------------------------------------


def _infer_check_label(
    target: Any, *, classes: int, ignore: int, caller: str = "cross_entropy"
) -> tuple[Any, Any]:
    """The labels themselves, once each is known to be in [0, classes) or equal to `ignore`.

    caller: the function that the user called, for the message.
    """
    if target.dtype is not dtypes.int64:
        raise DTypeError(f"{caller}: labels must be int64, received {target.dtype.name}")
    return target.shape, target.dtype


def _check_label(
    target: np.ndarray, *, classes: int, ignore: int, caller: str = "cross_entropy"
) -> None:
    wrong = (target != ignore) & ((target < 0) | (target >= classes))
    if wrong.any():
        raise IndexError(
            f"Target {target[wrong].flat[0]} is out of bounds.\n"
            f"  {caller}: labels of shape {list(target.shape)} must be in 0 .. {classes - 1} "
            f"for {classes} classes, or {ignore} to be ignored"
        )


CHECK_LABEL = Op(
    "check_label",
    infer=_infer_check_label,
    lowering=Lowering.OPAQUE,
    reference=lambda target, **attrs: target,
    check=_check_label,
    checks=(0,),
    moves_only=True,
    dtypes=(dtypes.int64,),
)


def _infer_loss(
    name: str, scores: Any, target: Any, weight: tuple[Any, ...], reduction: str
) -> tuple[Any, Any]:
    require_kind(name, scores.dtype, REAL)
    if target.dtype is not dtypes.int64:
        raise DTypeError(f"{name}: labels must be int64, received {target.dtype.name}")
    if len(scores.shape) < 2 or target.shape != (scores.shape[0], *scores.shape[2:]):
        raise ShapeError(
            f"{name}: expected scores (N, C, ...) and labels (N, ...), received shapes "
            f"{list(scores.shape)} and {list(target.shape)}"
        )
    if len(weight) > 1 or any(part.shape != (scores.shape[1],) for part in weight):
        raise ShapeError(
            f"{name}: the class weight must have shape [{scores.shape[1]}], received "
            f"{', '.join(str(list(part.shape)) for part in weight)}"
        )
    require_same_dtype(name, scores, *weight)
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name}: {reduction!r} is not a valid value for reduction")
    return (target.shape if reduction == "none" else ()), scores.dtype


# -- in primitives: values per label are kept as (N, 1, *S) ---------------------------------------


class _Labels:
    """Labels as masks over the classes, and the weight of each."""

    def __init__(self, scores: Any, target: Any, weight: tuple[Any, ...], ignore: int) -> None:
        shape = scores.shape
        column = reshape(target, (shape[0], 1, *shape[2:]))
        classes = ARANGE(start=0, step=1, size=shape[1], dtype=dtypes.int64)
        numbers = broadcast(reshape(classes, (1, shape[1], *[1] * (len(shape) - 2))), shape)
        dtype = wide_of(scores.dtype)
        #: Which labels count, (N, 1, *S), as a mask and as ones and zeros.
        self.counts = NE(column, constant(ignore, column))
        self.ones = cast(self.counts, dtype)
        #: Where the class is the label's and the label counts, (N, C, *S).
        self.hot = AND(EQ(numbers, spread(column, numbers)), spread(self.counts, numbers))
        #: Class weights (1, C, 1, ...), or None; and of each label, (N, 1, *S).
        self.classes: Any = None
        self.weights = self.ones
        if weight:
            self.classes = reshape(widen(weight[0]), (1, shape[1], *[1] * (len(shape) - 2)))
            self.weights = self.pick(spread(self.classes, scores))

    def pick(self, scores: Any) -> Any:
        """The score of each label's class, 0 for those that do not count."""
        return SUM(WHERE(self.hot, scores, constant(0, scores)), axes=(1,))

    def weighted(self, scores: Any) -> Any:
        """Scores times the class weights."""
        return scores if self.classes is None else times(scores, self.classes)


def _reduce(loss: Any, weights: Any, target: Any, reduction: str) -> Any:
    """(N, 1, *S) losses to the result's shape."""
    if reduction == "none":
        return reshape(loss, target.shape)
    every = tuple(range(len(loss.shape)))
    total = SUM(loss, axes=every)
    if reduction == "mean":
        total = DIV(total, SUM(weights, axes=every))
    return reshape(total, ())


def _unreduce(g: Any, labels: _Labels, reduction: str) -> Any:
    """The gradient of `_reduce` with respect to the losses, (N, 1, *S).

    Of a mean over no labels, which is NaN, it is 0.
    """
    weights = labels.weights
    if reduction == "none":
        return reshape(g, weights.shape)
    every = tuple(range(len(weights.shape)))
    whole = reshape(g, tuple([1] * len(every)))
    if reduction == "mean":
        none = EQ(SUM(labels.ones, axes=every), constant(0, whole))
        whole = WHERE(none, constant(0, whole), DIV(whole, SUM(weights, axes=every)))
    return spread(whole, weights)


# -- on NumPy -----------------------------------------------------------------------------------


def _label_weights(
    target: np.ndarray, weight: tuple[np.ndarray, ...], ignore: int, dtype: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(index, counts, weights), each (N, *S): labels made safe, those that count, weights or 0."""
    target = contiguous(target)
    counts = target != ignore
    index = np.where(counts, target, 0)
    weights = weight[0][index] * counts if weight else counts.astype(dtype)
    return index, counts, weights


def _reduced(losses: np.ndarray, weights: np.ndarray, reduction: str) -> np.ndarray:
    if reduction == "none":
        return losses
    total = losses.sum(dtype=losses.dtype)
    return total if reduction == "sum" else total / weights.sum(dtype=losses.dtype)


def _pick(scores: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.take_along_axis(scores, index[:, None], 1)[:, 0]


# -- negative log-likelihood ------------------------------------------------------------------


def _infer_nll(
    logp: Any, target: Any, *weight: Any, ignore: int, reduction: str
) -> tuple[Any, Any]:
    """-weight * logp of each label's class, reduced."""
    return _infer_loss("nll_loss", logp, target, weight, reduction)


def _nll_body(logp: Any, target: Any, *weight: Any, ignore: int, reduction: str) -> Any:
    labels = _Labels(logp, target, weight, ignore)
    losses = NEG(labels.pick(labels.weighted(widen(logp))))
    return cast(_reduce(losses, labels.weights, target, reduction), logp.dtype)


def _nll(
    logp: np.ndarray, target: np.ndarray, *weight: np.ndarray, ignore: int, reduction: str
) -> np.ndarray:
    if logp.shape[1] == 0:
        return _reduced(np.zeros(target.shape, logp.dtype), np.zeros(()), reduction)
    index, counts, weights = _label_weights(target, weight, ignore, logp.dtype)
    losses = np.where(counts, -_pick(logp, index) * weights, 0)
    return _reduced(contiguous(losses.astype(logp.dtype, copy=False)), weights, reduction)


def _nll_vjp(
    g: Any, y: Any, logp: Any, target: Any, *weight: Any, ignore: int, reduction: str
) -> tuple[Any, ...]:
    labels = _Labels(logp, target, weight, ignore)
    each = NEG(MUL(_unreduce(widen(g), labels, reduction), labels.weights))
    whole = spread(each, logp)
    return cast(WHERE(labels.hot, whole, constant(0, whole)), logp.dtype), *[None] * len(
        (target, *weight)
    )


NLL_LOSS = Op(
    "nll_loss",
    infer=_infer_nll,
    lowering=Lowering.ROWWISE,
    reference=_nll,
    body=_nll_body,
    vjp=_nll_vjp,
    saves=(1, 2),
    differentiable=(0,),
    dtypes=dtypes_of_kinds(REAL),
)

# -- cross-entropy ----------------------------------------------------------------------------


def _infer_cross_entropy(
    logits: Any, target: Any, *weight: Any, ignore: int, smoothing: float, reduction: str
) -> tuple[Any, Any]:
    """Log-softmax over the classes and negative log-likelihood in one, with label smoothing."""
    return _infer_loss("cross_entropy", logits, target, weight, reduction)


def _cross_entropy_flops(*inputs: Any, **attrs: Any) -> int:
    return 20 * max(elements(x.shape) for x in inputs)


def _cross_entropy_body(
    logits: Any, target: Any, *weight: Any, ignore: int, smoothing: float, reduction: str
) -> Any:
    labels = _Labels(logits, target, weight, ignore)
    scores = labels.weighted(LOG_SOFTMAX(widen(logits), axis=1))
    losses = NEG(labels.pick(scores))
    if smoothing:
        even = NEG(SUM(scores, axes=(1,)))
        even = WHERE(labels.counts, even, constant(0, even))
        losses = ADD(scaled(losses, 1 - smoothing), scaled(even, smoothing / logits.shape[1]))
    return cast(_reduce(losses, labels.weights, target, reduction), logits.dtype)


def _cross_entropy(
    logits: np.ndarray,
    target: np.ndarray,
    *weight: np.ndarray,
    ignore: int,
    smoothing: float,
    reduction: str,
) -> np.ndarray:
    index, counts, weights = _label_weights(target, weight, ignore, logits.dtype)
    logp = log_softmax(logits, axis=1)
    losses = -_pick(logp, index) * weights
    if smoothing:
        even = -(logp * _class_column(weight, logp)).sum(1)
        losses = losses * (1 - smoothing) + even * (smoothing / logits.shape[1])
    losses = np.where(counts, losses, 0).astype(logits.dtype, copy=False)
    return _reduced(contiguous(losses), weights, reduction)


def _class_column(weight: tuple[np.ndarray, ...], scores: np.ndarray) -> Any:
    """Class weights as (C, 1, ...) beside (N, C, ...); 1 where there are none."""
    if not weight:
        return scores.dtype.type(1)
    return weight[0].reshape(-1, *[1] * (scores.ndim - 2))


def _cross_entropy_vjp(
    g: Any, y: Any, logits: Any, target: Any, *weight: Any, **attrs: Any
) -> tuple[Any, ...]:
    grad = CROSS_ENTROPY_GRAD(g, logits, target, *weight, **attrs)
    return grad, *[None] * len((target, *weight))


CROSS_ENTROPY = Op(
    "cross_entropy",
    infer=_infer_cross_entropy,
    lowering=Lowering.ROWWISE,
    reference=_cross_entropy,
    body=_cross_entropy_body,
    vjp=_cross_entropy_vjp,
    saves=(0, 1, 2),
    differentiable=(0,),
    flops=_cross_entropy_flops,
    dtypes=dtypes_of_kinds(REAL),
)


def _infer_cross_entropy_grad(
    g: Any, logits: Any, target: Any, *weight: Any, **attrs: Any
) -> tuple[Any, Any]:
    """The gradient of cross_entropy in its logits: softmax less the (smoothed) labels."""
    shape, _ = _infer_loss("cross_entropy", logits, target, weight, attrs["reduction"])
    require_same_dtype("cross_entropy_grad", g, logits)
    if g.shape != shape:
        raise ShapeError(
            f"cross_entropy_grad: a gradient of shape {list(g.shape)} for a loss of {list(shape)}"
        )
    return logits.shape, logits.dtype


def _cross_entropy_grad_body(
    g: Any, logits: Any, target: Any, *weight: Any, ignore: int, smoothing: float, reduction: str
) -> Any:
    labels = _Labels(logits, target, weight, ignore)
    each = _unreduce(widen(g), labels, reduction)
    p = SOFTMAX(widen(logits), axis=1)
    wanted = labels.weighted(cast(labels.hot, p.dtype))
    mass = labels.weights
    if smoothing:
        even = labels.weighted(spread(scaled(labels.ones, smoothing / logits.shape[1]), p))
        wanted = ADD(scaled(wanted, 1 - smoothing), even)
        mass = SUM(wanted, axes=(1,))
    # The wanted distribution has mass `mass` in each column: softmax is scaled to it.
    return cast(times(SUB(times(p, mass), wanted), each), logits.dtype)


def _cross_entropy_grad(
    g: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    *weight: np.ndarray,
    ignore: int,
    smoothing: float,
    reduction: str,
) -> np.ndarray:
    index, counts, weights = _label_weights(target, weight, ignore, logits.dtype)
    each = g
    if reduction == "mean":
        each = g / weights.sum(dtype=logits.dtype) if counts.any() else np.zeros_like(g)
    grad = np.exp(log_softmax(logits, axis=1))
    if smoothing:
        column = _class_column(weight, logits)
        even = smoothing / logits.shape[1]
        total = column.sum() if weight else logits.shape[1]
        grad *= (weights * (1 - smoothing) + even * total)[:, None].astype(grad.dtype)
        grad -= (even * column).astype(grad.dtype)
    else:
        grad *= weights[:, None]
    picked = _pick(grad, index) - weights * (1 - smoothing)
    np.put_along_axis(grad, index[:, None], picked[:, None], 1)
    grad *= (each * counts)[:, None]
    return grad.astype(logits.dtype, copy=False)


CROSS_ENTROPY_GRAD = Op(
    "cross_entropy_grad",
    infer=_infer_cross_entropy_grad,
    lowering=Lowering.ROWWISE,
    reference=_cross_entropy_grad,
    body=_cross_entropy_grad_body,
    differentiable=(0, 1),
    flops=_cross_entropy_flops,
    dtypes=dtypes_of_kinds(REAL),
)


def cross_entropy_probabilities(
    logits: Any, probabilities: Any, weight: Any, *, smoothing: float, reduction: str
) -> Any:
    """Cross-entropy against a distribution over the classes.

    logits, probabilities: (N, C, *S) of one dtype; weight: (C,) or None. The mean is over N and S.
    Raises ShapeError where the shapes differ.
    """
    if logits.shape != probabilities.shape or len(logits.shape) < 2:
        raise ShapeError(
            f"cross_entropy: expected logits and class probabilities (N, C, ...) of one shape, "
            f"received {list(logits.shape)} and {list(probabilities.shape)}"
        )
    shape = logits.shape
    logp, wanted = LOG_SOFTMAX(logits, axis=1), probabilities
    if smoothing:
        wanted = scaled(wanted, 1 - smoothing)
        wanted = ADD(wanted, constant(smoothing / shape[1], wanted))
    if weight is not None:
        wanted = times(wanted, reshape(weight, (1, shape[1], *[1] * (len(shape) - 2))))
    losses = NEG(SUM(MUL(logp, wanted), axes=(1,)))
    if reduction == "none":
        return reshape(losses, (shape[0], *shape[2:]))
    total = reshape(SUM(losses, axes=tuple(range(len(shape)))), ())
    if reduction == "sum":
        return total
    return DIV(total, constant(shape[0] * elements(shape[2:]), total))

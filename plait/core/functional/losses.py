"""Losses between predictions and targets, elementwise or per sample, before any reduction.

Operands have one dtype, and one shape unless said otherwise. Slopes at kinks are PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any

from plait.core.functional import arithmetic as fn
from plait.core.functional.activations import log_sigmoid
from plait.core.functional.arithmetic import rounded_once
from plait.core.ir import dtypes
from plait.core.ops.elementwise import ABS, LOG, NEG, NOT, cast
from plait.core.ops.index import SCATTER
from plait.core.ops.math import EXP, RELU, SQRT
from plait.core.ops.scan import CUMSUM
from plait.core.ops.source import ARANGE, constant, full
from plait.core.ops.special import XLOGY
from plait.core.ops.view import broadcast, reshape, slice_axis


def squared(x: Any, target: Any) -> Any:
    """(x - target)^2."""
    return rounded_once(lambda x, t: fn.square(fn.sub(x, t)), x, target)


def absolute(x: Any, target: Any) -> Any:
    """|x - target|."""
    return ABS(fn.sub(x, target))


def smooth_l1(x: Any, target: Any, beta: float) -> Any:
    """(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2."""
    if beta == 0:
        return absolute(x, target)

    def formula(x: Any, t: Any) -> Any:
        distance = absolute(x, t)
        far = fn.at_least(distance, beta)
        curve = fn.mul(_square_unless(far, distance), 0.5 / beta)
        return fn.where(far, fn.sub(distance, 0.5 * beta), curve)

    return rounded_once(formula, x, target)


def huber(x: Any, target: Any, delta: float) -> Any:
    """(x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2)."""

    def formula(x: Any, t: Any) -> Any:
        distance = absolute(x, t)
        far = fn.greater(distance, delta)
        curve = fn.mul(_square_unless(far, distance), 0.5)
        line = fn.mul(fn.sub(distance, 0.5 * delta), delta)
        return fn.where(far, line, curve)

    return rounded_once(formula, x, target)


def _square_unless(far: Any, distance: Any) -> Any:
    """distance^2 where it is taken, else 0: an infinite distance would make its gradient nan."""
    return fn.square(fn.where(far, 0, distance))


def binary_cross_entropy_with_logits(x: Any, target: Any, positive_weight: Any) -> Any:
    """Binary cross-entropy of sigmoid(x), computed from the logits; positive_weight: None or
    a weight of the positive term, broadcast to x."""

    def formula(x: Any, t: Any, *weight: Any) -> Any:
        rest = fn.mul(fn.sub(1, t), x)
        missed = log_sigmoid(x)
        if weight:
            missed = fn.mul(missed, fn.add(fn.mul(fn.sub(weight[0], 1), t), 1))
        return fn.sub(rest, missed)

    weights = () if positive_weight is None else (positive_weight,)
    return rounded_once(formula, x, target, *weights)


def kl_divergence(x: Any, target: Any, log_target: bool) -> Any:
    """target (log target - x), with x and perhaps the target given as logarithms."""
    if log_target:
        return rounded_once(lambda x, t: fn.mul(EXP(t), fn.sub(t, x)), x, target)
    return rounded_once(lambda x, t: fn.sub(XLOGY(t, t), fn.mul(t, x)), x, target)


def poisson_nll(x: Any, target: Any, log_input: bool, full_loss: bool, eps: float) -> Any:
    """x as the rate, or its logarithm; `full_loss` adds Stirling's log(target!)."""

    def formula(x: Any, t: Any) -> Any:
        if log_input:
            loss = fn.sub(EXP(x), fn.mul(t, x))
        else:
            loss = fn.sub(x, fn.mul(t, LOG(fn.add(x, eps))))
        if not full_loss:
            return loss
        many = fn.greater(t, 1)
        safe = fn.where(many, t, 1)
        stirling = fn.sub(fn.mul(safe, LOG(safe)), safe)
        stirling = fn.add(stirling, fn.mul(LOG(fn.mul(safe, 2 * math.pi)), 0.5))
        return fn.add(loss, fn.where(many, stirling, 0))

    return rounded_once(formula, x, target)


def gaussian_nll(x: Any, target: Any, variance: Any, full_loss: bool) -> Any:
    """(log variance + (x - target)^2 / variance) / 2, plus log(2 pi) / 2 where `full_loss`."""

    def formula(x: Any, t: Any, v: Any) -> Any:
        loss = fn.mul(fn.add(LOG(v), fn.div(fn.square(fn.sub(x, t)), v)), 0.5)
        return fn.add(loss, 0.5 * math.log(2 * math.pi)) if full_loss else loss

    return rounded_once(formula, x, target, variance)


def soft_margin(x: Any, target: Any) -> Any:
    """log(1 + exp(-target x))."""
    return rounded_once(lambda x, t: NEG(log_sigmoid(fn.mul(t, x))), x, target)


def hinge_embedding(x: Any, target: Any, margin: float) -> Any:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    pushed = fn.where(fn.differs(target, 1), fn.positive_part(fn.sub(margin, x)), 0)
    return fn.add(pushed, fn.where(fn.differs(target, -1), x, 0))


def margin_ranking(x1: Any, x2: Any, target: Any, margin: float) -> Any:
    """max(0, -target (x1 - x2) + margin)."""
    return fn.positive_part(fn.add(fn.mul(NEG(target), fn.sub(x1, x2)), margin))


def cosine_embedding(x1: Any, x2: Any, target: Any, margin: float) -> Any:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1; over the last axis."""
    axes = (len(x1.shape) - 1,)
    least = 1e-12  # added to the squared norms, as in PyTorch

    def formula(x1: Any, x2: Any, t: Any) -> Any:
        size1 = fn.add(fn.total(fn.square(x1), axes), least)
        size2 = fn.add(fn.total(fn.square(x2), axes), least)
        cosine = fn.div(fn.total(fn.mul(x1, x2), axes), SQRT(fn.mul(size1, size2)))
        same = fn.where(fn.equal(t, 1), fn.sub(1, cosine), 0)
        apart = fn.where(fn.equal(t, -1), fn.positive_part(fn.sub(cosine, margin)), 0)
        return fn.add(same, apart)

    return rounded_once(formula, x1, x2, target)


def multilabel_soft_margin(x: Any, target: Any) -> Any:
    """-(t log sigmoid(x) + (1 - t) log sigmoid(-x))."""

    def formula(x: Any, t: Any) -> Any:
        hit = fn.mul(t, log_sigmoid(x))
        return NEG(fn.add(hit, fn.mul(fn.sub(1, t), log_sigmoid(NEG(x)))))

    return rounded_once(formula, x, target)


def _classes(count: int, shape: tuple[int, ...]) -> Any:
    numbers = ARANGE(start=0, step=1, size=count, dtype=dtypes.int64)
    return broadcast(numbers, shape)


def multi_margin(x: Any, target: Any, weight: Any, p: int, margin: float) -> Any:
    """The mean over classes j other than y of weight_y max(0, margin - x_y + x_j)^p, per sample.

    x: (N, C), target: (N,) int64, weight: (C,) or None.
    """
    shape = tuple(x.shape)
    column = broadcast(reshape(target, (shape[0], 1)), shape)
    hot = fn.equal(column, _classes(shape[1], shape))

    def formula(x: Any, *weights: Any) -> Any:
        own = fn.total(fn.where(hot, x, 0), (1,), keep=True)
        hinge = RELU(fn.add(fn.sub(x, own), margin))
        losses = hinge if p == 1 else fn.square(hinge)
        if weights:
            of_label = fn.where(hot, broadcast(weights[0], shape), 0)
            losses = fn.mul(losses, fn.total(of_label, (1,), keep=True))
        return fn.div(fn.total(fn.where(hot, 0, losses), (1,)), shape[1])

    return rounded_once(formula, x, *(() if weight is None else (weight,)))


def multilabel_margin(x: Any, target: Any) -> Any:
    """The sum over labels j and other classes k of max(0, 1 - (x_j - x_k)) / C, per sample.

    x: (N, C), target: (N, C) int64, whose labels end at the first -1.
    """
    rows, classes = x.shape
    ends = CUMSUM(cast(fn.equal(target, -1), dtypes.int64), axis=1, reverse=False)
    counts = fn.equal(ends, 0)  # (N, C): labels before the first -1
    safe = fn.where(counts, target, 0)
    # Labels that do not count are put in a place of their own, behind the classes.
    place = fn.where(counts, target, classes)
    marks = full(True, (rows, classes), dtypes.bool_)
    is_label = SCATTER(
        full(False, (rows, classes + 1), dtypes.bool_), place, marks, axis=1, mode="set"
    )
    cube = (rows, classes, classes)  # (N, label, class)
    hot = fn.equal(broadcast(reshape(safe, (rows, classes, 1)), cube), _classes(classes, cube))
    pairs = fn.both(
        broadcast(reshape(counts, (rows, classes, 1)), cube),
        broadcast(reshape(NOT(slice_axis(is_label, 1, 0, classes)), (rows, 1, classes)), cube),
    )

    def formula(x: Any) -> Any:
        spread = broadcast(reshape(x, (rows, 1, classes)), cube)
        own = fn.total(fn.where(hot, spread, 0), (2,), keep=True)
        hinge = RELU(fn.add(fn.sub(spread, own), 1))
        return fn.div(fn.total(fn.where(pairs, hinge, 0), (1, 2)), classes)

    return rounded_once(formula, x)


def triplet(positive: Any, negative: Any, margin: float) -> Any:
    """max(0, positive - negative + margin) of two distances."""
    return fn.positive_part(fn.add(fn.sub(positive, negative), margin))


def limited_below(x: Any, least: float, held: Any) -> Any:
    """x raised to `least` where below it, with the slope of x; `held`: x without gradient."""
    lift = fn.where(fn.less(held, least), fn.sub(least, held), constant(0, held))
    return fn.add(x, lift)

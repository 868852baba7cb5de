"""Losses over real targets: regression, probabilities, margins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._autocast import full_precision
from plait._tensor import Tensor, scalar_type
from plait.core.functional import arithmetic as fn
from plait.core.functional import losses
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.errors import error, warn
from plait.core.lazy.replay.function import one_step
from plait.core.ops.binary_cross_entropy import BINARY_CROSS_ENTROPY
from plait.core.ops.bounds import CHECK_RANGE
from plait.core.ops.elementwise import MINIMUM, cast
from plait.core.ops.view import broadcast, reshape
from plait.nn.functional._arguments import (
    common_operands,
    legacy_reduction,
    reduced,
    require_float,
    require_reduction,
    require_tensor,
)
from plait.nn.functional.distance import pairwise_distance


def _pair(name: str, input: Any, target: Any, kernel: str | None) -> tuple[Any, Any]:
    """Input and target promoted to one dtype and broadcast, with a warning where shapes differ."""
    require_tensor(name, "input", input, 1)
    require_tensor(name, "target", target, 2)
    if target.shape != input.shape and kernel is not None:
        warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
        )
    a, b = common_operands(name, input, target)
    if kernel is not None:
        require_float(kernel, a)
    return a, b


def _weighted(losses_: Any, weight: Tensor | None, input: Tensor, reduction: str) -> Any:
    """Losses reduced, with a weight for each that also divides the mean."""
    if weight is None:
        return reduced(losses_, reduction)
    require_reduction(reduction)
    if weight.shape != input.shape:
        raise error(
            ValueError,
            f"Weights and input must have the same size. (received {list(weight.shape)} and "
            f"{list(input.shape)})",
        )
    weight = cast(weight, losses_.dtype)
    weighed = fn.mul(losses_, weight)
    if reduction == "none":
        return weighed
    total = fn.total(weighed)
    return total if reduction == "sum" else fn.div(total, fn.total(weight))


# -- regression -------------------------------------------------------------------------------


@one_step
@full_precision
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    a, b = _pair("mse_loss", input, target, "mse_cpu")
    return _weighted(losses.squared(a, b), weight, input, reduction)


@one_step
@full_precision
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        _pair("l1_loss", input, target, "l1_cpu")
    a, b = _pair("l1_loss", input, target, None)
    if reduction == "mean" and a.dtype.kind not in "fc":
        raise error(
            RuntimeError,
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {scalar_type(a.dtype)} (l1_loss)",
        )
    return _weighted(losses.absolute(a, b), weight, input, reduction)


@one_step
@full_precision
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Squared below `beta`, absolute above (arXiv:1504.08083)."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise error(
            RuntimeError,
            f"smooth_l1_loss does not support negative values for beta. (beta={beta})",
        )
    a, b = _pair("smooth_l1_loss", input, target, "smooth_l1_cpu")
    return reduced(losses.smooth_l1(a, b, float(beta)), reduction)


@one_step
@full_precision
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Squared up to `delta`, linear beyond (Huber, 1964)."""
    if delta <= 0:
        raise error(
            RuntimeError,
            f"huber_loss does not support non-positive values for delta. (delta={delta})",
        )
    a, b = _pair("huber_loss", input, target, "huber_cpu")
    return _weighted(losses.huber(a, b, float(delta)), weight, input, reduction)


# -- probabilities ----------------------------------------------------------------------------


@one_step
@full_precision
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log p + (1 - t) log(1 - p)) with logarithms of at least -100.

    Raises ValueError for different shapes, RuntimeError for values outside [0, 1].
    """
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    require_tensor("binary_cross_entropy", "input", input, 1)
    require_tensor("binary_cross_entropy", "target", target, 2)
    if target.shape != input.shape:
        raise error(
            ValueError,
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size.",
        )
    require_float("binary_cross_entropy", input)
    for other in (target, weight):
        if other is not None and other.dtype is not input.dtype:
            raise error(
                RuntimeError,
                f"Found dtype {scalar_type(other.dtype)} but expected "
                f"{scalar_type(input.dtype)} (binary_cross_entropy)",
            )
    checked = [
        CHECK_RANGE(
            x,
            low=0.0,
            high=1.0,
            fault="RuntimeError",
            message=f"all elements of {what} should be between 0 and 1 in binary_cross_entropy",
        )
        for what, x in (("input", input), ("target", target))
    ]
    loss = BINARY_CROSS_ENTROPY(*checked)
    if weight is not None:
        shape = broadcast_shapes("binary_cross_entropy", weight.shape, input.shape)
        if shape != tuple(input.shape):
            raise error(
                RuntimeError,
                f"binary_cross_entropy: a weight of shape {list(weight.shape)} does not expand to "
                f"the input's {list(input.shape)}",
            )
        loss = fn.mul(loss, weight)
    return reduced(loss, reduction)


@one_step
@full_precision
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), computed from the logits.

    weight: of each element; pos_weight: of the positive term, broadcast. Raises ValueError for
    different shapes.
    """
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    require_tensor("binary_cross_entropy_with_logits", "input", input, 1)
    require_tensor("binary_cross_entropy_with_logits", "target", target, 2)
    if target.shape != input.shape:
        raise error(
            ValueError,
            f"Target size ({target.size()}) must be the same as input size ({input.size()})",
        )
    require_float("log_sigmoid_cpu", input)
    if target.dtype.kind != "f":
        raise error(
            RuntimeError,
            f"result type {scalar_type(input.dtype)} can't be cast to the desired output type "
            f"{scalar_type(target.dtype)} (binary_cross_entropy_with_logits: convert the target "
            "with .float())",
        )
    given = [x for x in (input, target, pos_weight) if x is not None]
    ready = common_operands("binary_cross_entropy_with_logits", *given)
    loss = losses.binary_cross_entropy_with_logits(
        ready[0], ready[1], ready[2] if len(ready) > 2 else None
    )
    if weight is not None:
        loss, weight = common_operands("binary_cross_entropy_with_logits", loss, weight)
        loss = fn.mul(loss, weight)
    return reduced(loss, reduction)


@full_precision
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log target - input); input holds logarithms, and so may the target.

    reduction "batchmean" divides the sum by the first extent, as the mathematical definition does.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
        )
    a, b = _pair("kl_div", input, target, None)
    if target.dtype.kind != "f" or input.dtype.kind != "f":
        raise error(RuntimeError, "kl_div: Integral inputs not supported.")
    loss = losses.kl_divergence(a, b, log_target)
    if reduction == "batchmean":
        total = fn.total(loss)
        return fn.div(total, input.shape[0]) if input.ndim else total
    return reduced(loss, reduction)


@full_precision
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of Poisson counts; input is the rate or its logarithm."""
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    a, b = _pair("poisson_nll_loss", input, target, None)
    require_float("poisson_nll_loss", a)
    return reduced(losses.poisson_nll(a, b, log_input, full, eps), reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of normal variables with mean `input` and variance `var`.

    var: of input's shape, or without its last axis, or with extent 1 in one axis, or a number.
    Raises ValueError for a negative variance or another shape.
    """
    require_tensor("gaussian_nll_loss", "input", input, 1)
    if not isinstance(var, Tensor):
        if var < 0:
            raise error(ValueError, "var has negative entry/entries")
        from plait._functions.creation import full as filled

        var = filled(tuple(input.shape), float(var), dtype=input.dtype)
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = reshape(var, (*var.shape, 1))
        elif input.ndim != var.ndim or [
            ours for ours, theirs in zip(var.shape, input.shape) if ours != theirs
        ] != [1]:
            raise error(
                ValueError,
                f"var is of incorrect size (gaussian_nll_loss: var {list(var.shape)}, input "
                f"{list(input.shape)})",
            )
    if reduction not in ("none", "mean", "sum"):
        raise error(ValueError, f"{reduction} is not valid")
    var = CHECK_RANGE(
        var,
        low=0.0,
        high=float("inf"),
        fault="ValueError",
        message="var has negative entry/entries",
    )
    limited = losses.limited_below(var, eps, var.detach())
    a, b, v = common_operands("gaussian_nll_loss", input, target, limited)
    return reduced(losses.gaussian_nll(a, b, v, full), reduction)


# -- margins ----------------------------------------------------------------------------------


@full_precision
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos for pairs with target 1, max(0, cos - margin) for those with -1.

    input1, input2: (N, D) or (D,); target: (N,) or ().
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.ndim > 1:
        raise error(RuntimeError, "0D or 1D target tensor expected, multi-target not supported")
    if target.ndim != input1.ndim - 1 or input1.ndim != input2.ndim:
        raise error(
            RuntimeError,
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}.",
        )
    a, b = common_operands("cosine_embedding_loss", input1, input2)
    lead = broadcast_shapes("cosine_embedding_loss", target.shape, a.shape[:-1])
    a, b = [broadcast(x, (*lead, a.shape[-1])) for x in (a, b)]
    sign = broadcast(cast(target, a.dtype), tuple(lead))
    return reduced(losses.cosine_embedding(a, b, sign, margin), reduction)


@full_precision
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin)."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise error(
            RuntimeError,
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} ",
        )
    a, b, sign = common_operands("margin_ranking_loss", input1, input2, target)
    return reduced(losses.margin_ranking(a, b, sign, float(margin)), reduction)


@full_precision
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where the target is 1, max(0, margin - input) where it is -1."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    a, b = _pair("hinge_embedding_loss", input, target, None)
    return reduced(losses.hinge_embedding(a, b, float(margin)), reduction)


@full_precision
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input))."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    a, b = _pair("soft_margin_loss", input, target, None)
    require_float("soft_margin_loss", a)
    return reduced(losses.soft_margin(a, b), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy with logits, averaged over the classes (the last axis)."""
    reduction = require_reduction(legacy_reduction(size_average, reduce, reduction))
    a, b = _pair("multilabel_soft_margin_loss", input, target, None)
    loss = losses.multilabel_soft_margin(a, b)
    if weight is not None:
        loss, weight = common_operands("multilabel_soft_margin_loss", loss, weight)
        loss = fn.mul(loss, weight)
    return reduced(fn.average(loss, (loss.ndim - 1,)), reduction)


def _require_alike(anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise error(
            RuntimeError,
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs",
        )


@full_precision
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with the p-norm distance.

    swap: the positive's distance to the negative counts where it is smaller (Balntas et al., 2016).
    """
    reduction = legacy_reduction(size_average, reduce, reduction)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=distance,
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The triplet margin loss with a distance of the caller's (default: `pairwise_distance`)."""
    require_reduction(reduction)
    if margin <= 0:
        raise error(ValueError, f"margin must be greater than 0, got {margin}")
    _require_alike(anchor, positive, negative)
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = MINIMUM(far, distance(positive, negative))
    return reduced(losses.triplet(near, far, float(margin)), reduction)

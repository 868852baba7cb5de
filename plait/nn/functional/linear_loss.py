"""A linear layer and the cross-entropy of its outputs as one loss."""

from __future__ import annotations

import math
from typing import Any

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.nn.functional._arguments import require_tensor
from plait.nn.functional.class_loss import cross_entropy
from plait.nn.functional.linear import linear


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """The cross-entropy of `linear(input, linear_weight, linear_bias)`.

    Args:
        input: (D,) or (N, D).
        linear_weight: (C, D), or (C, d1, ..., dK, D) for logits (N, C, d1, ..., dK).
        target: classes or probabilities, as for `cross_entropy`.
        linear_bias: (C, d1, ..., dK).
        ignore_index: -100 if None; none where the target has probabilities.
        options: how memory is saved (`LinearCrossEntropyOptions`): a hint, which changes nothing.

    Raises RuntimeError for shapes that do not fit.
    """
    require_tensor("linear_cross_entropy", "input", input, 1)
    if not 1 <= input.dim() <= 2:
        raise error(RuntimeError, f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise error(
            RuntimeError,
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}",
        )
    classes, *inner, features = linear_weight.shape
    if input.shape[-1] != features:
        raise error(
            RuntimeError,
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {features}, respectively",
        )
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *inner):
        raise error(
            RuntimeError,
            f"expected linear_bias shape {(classes, *inner)}, got {tuple(linear_bias.shape)}",
        )
    if inner and input.dim() == 1:
        raise error(
            RuntimeError,
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, (N, {features}), got unbatched input with shape "
            f"{tuple(input.shape)}",
        )
    shape = (*input.shape[:-1], classes, *inner)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise error(
            RuntimeError, "ignore_index cannot be specified when target contains probabilities"
        )
    outputs = math.prod(inner, start=classes)
    flat_bias = None if linear_bias is None else linear_bias.reshape(outputs)
    logits = linear(input, linear_weight.reshape(outputs, features), flat_bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )

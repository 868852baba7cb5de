"""Update rules that look at a parameter as a whole, not element by element: Adafactor and Muon.

Values are nodes or tensors; hyper-parameters are Python numbers (see `updates`).
"""

from __future__ import annotations

import math
from typing import Any

from plait.core.functional.contraction import matmul
from plait.core.functional.updates import add_scaled, number_like, times, toward
from plait.core.ir import dtypes
from plait.core.lazy.hostnumber import sqrt
from plait.core.ops.elementwise import DIV, MAXIMUM, MUL, SUB, cast
from plait.core.ops.math import SQRT
from plait.core.ops.reduce import MEAN, SUM
from plait.core.ops.view import broadcast, transpose


def _root_mean_square(value: Any) -> Any:
    """sqrt(mean of squares) as one element of the value's rank."""
    return SQRT(MEAN(MUL(value, value), axes=tuple(range(len(value.shape)))))


def _at_least(value: Any, number: Any) -> Any:
    return MAXIMUM(value, number_like(number, value))


def _scaled_by_one(value: Any, factor: Any) -> Any:
    """value times a factor of one element."""
    return MUL(value, broadcast(factor, tuple(value.shape)))


def adafactor(
    param: Any,
    grad: Any,
    averages: tuple[Any, ...],
    *,
    step: float,
    lr: float,
    beta2_decay: float,
    eps: tuple[float, float],
    d: float,
    weight_decay: float,
) -> tuple[Any, tuple[Any, ...]]:
    """(param, averages) after a step.

    averages: of the squared gradient: (*, R, 1) and (*, 1, C) for a gradient (*, R, C), their
    product over the mean being the estimate; one of the gradient's own shape for a vector.

    Source: Shazeer & Stern, Adafactor (arXiv:1804.04235).
    """
    floor, least = eps
    weight = step**beta2_decay
    shrunk = 1 / sqrt(step)
    rate = lr if lr <= shrunk else shrunk
    size = times(_at_least(_root_mean_square(param), least), rate)
    param = times(param, 1 - lr * weight_decay)
    square = MUL(grad, grad)
    rank = len(grad.shape)
    if rank > 1:
        rows = toward(averages[0], MEAN(square, axes=(rank - 1,)), weight)
        columns = toward(averages[1], MEAN(square, axes=(rank - 2,)), weight)
        mean = _at_least(MEAN(rows, axes=(rank - 2,)), floor)
        shape = tuple(grad.shape)
        product = MUL(broadcast(rows, shape), broadcast(columns, shape))
        estimate = DIV(product, broadcast(mean, shape))
        averages = (rows, columns)
    else:
        estimate = toward(averages[0], square, weight)
        averages = (estimate,)
    direction = DIV(grad, SQRT(_at_least(estimate, floor * floor)))
    # Clip the root mean square of the direction to d.
    clip = _at_least(times(_root_mean_square(direction), 1 / d), 1.0)
    return SUB(param, _scaled_by_one(direction, DIV(size, clip))), averages


def muon(
    param: Any,
    grad: Any,
    momentum: Any,
    *,
    lr: float,
    weight_decay: float,
    decay: float,
    nesterov: bool,
    coefficients: tuple[float, float, float],
    eps: float,
    steps: int,
    scale: float,
) -> tuple[Any, Any]:
    """(param, momentum) of a matrix after a step along the orthogonalized momentum.

    decay: of the momentum; scale: of the learning rate, by the matrix's shape.

    Source: Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024).
    """
    momentum = toward(momentum, grad, 1 - decay)
    direction = toward(grad, momentum, decay) if nesterov else momentum
    direction = cast(orthogonalized(direction, coefficients, eps, steps), param.dtype)
    param = times(param, 1 - lr * weight_decay)
    return add_scaled(param, direction, -(lr * scale)), momentum


def orthogonalized(
    matrix: Any, coefficients: tuple[float, float, float], eps: float, steps: int
) -> Any:
    """A matrix near the orthogonal factor of another's polar decomposition, in bfloat16.

    Each step takes singular values s to a s + b s^3 + c s^5; products are rounded once each.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = cast(matrix, dtypes.bfloat16)
    x = transpose(x, (1, 0)) if tall else x
    wide = cast(x, dtypes.float32)
    norm = cast(SQRT(SUM(MUL(wide, wide), axes=(0, 1))), dtypes.bfloat16)
    x = DIV(x, broadcast(_at_least(norm, eps), tuple(x.shape)))
    for _ in range(steps):
        gram = cast(_product(x, transpose(x, (1, 0))), dtypes.bfloat16)
        update = _combined(gram, b, _product(gram, gram), c)
        x = _combined(x, a, _product(update, x), 1.0)
    return transpose(x, (1, 0)) if tall else x


def _product(a: Any, b: Any) -> Any:
    """The product of bfloat16 matrices in float32."""
    return matmul(cast(a, dtypes.float32), cast(b, dtypes.float32))


def _combined(value: Any, factor: float, product: Any, weight: float) -> Any:
    """factor * value + weight * product, rounded to bfloat16 once."""
    wide = times(cast(value, dtypes.float32), factor)
    return cast(add_scaled(wide, product, weight), dtypes.bfloat16)


def muon_scale(shape: tuple[int, ...], kind: str | None) -> float:
    """What the learning rate of a matrix is multiplied by: "original" (the default), or
    "match_rms_adamw" to move as far as AdamW does."""
    rows, columns = shape
    if kind == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))

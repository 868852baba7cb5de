"""The update rules of gradient descent, one function each: new values from old ones.

Values are nodes or tensors of one dtype and shape; hyper-parameters are Python numbers. Factors
that do not depend on an element are folded into one constant, so that a rule records few
operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.node import Node
from plait.core.lazy.capture import current
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.hostnumber import HostNumber, plain, sqrt
from plait.core.ops.elementwise import (
    ABS,
    ADD,
    DIV,
    GT,
    LT,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    SIGN,
    SUB,
    WHERE,
)
from plait.core.ops.index import ADD_AT
from plait.core.ops.math import SQRT
from plait.core.ops.view import broadcast

#: Inputs that hold a number, by its bits and dtype, so that one factor is one input of a program.
_numbers: dict[tuple[str, Any], Node] = {}
_MOST_NUMBERS = 256


def number_like(number: Any, like: Any) -> Any:
    """A node that holds `number` everywhere, with the shape and dtype of `like`.

    It is an input of the graph, not a constant: factors change from step to step (bias corrections,
    learning rates), and the program of one step must serve the next.
    """
    active = current()
    if active is not None and type(number) is HostNumber:
        node = active.number_node(number, like.dtype)
    else:
        number = float(plain(number))
        key = (number.hex(), like.dtype)
        node = _numbers.get(key)
        if node is None:
            if len(_numbers) >= _MOST_NUMBERS:
                _numbers.clear()
            node = leaf_of(np.array(number, like.dtype.numpy))
            _numbers[key] = node
    return broadcast(node, tuple(like.shape))


def times(value: Any, factor: float) -> Any:
    """value * factor; the value itself for a factor of 1."""
    return value if factor == 1 else MUL(value, number_like(factor, value))


def plus(value: Any, number: float) -> Any:
    """value + number; the value itself for 0."""
    return value if number == 0 else ADD(value, number_like(number, value))


def add_scaled(value: Any, other: Any, factor: float) -> Any:
    """value + factor * other; a negative factor subtracts."""
    if factor < 0:
        return SUB(value, times(other, -factor))
    return ADD(value, times(other, factor))


def add_rows(table: Any, index: Any, rows: Any, factor: float) -> Any:
    """The table with factor * rows[i] added to its row index[i], duplicates one after another."""
    return ADD_AT(table, index, times(rows, factor), axis=0)


def toward(average: Any, value: Any, weight: float) -> Any:
    """The moving average after one more value: average + weight * (value - average)."""
    return add_scaled(average, SUB(value, average), weight)


def mean_square(average: Any, value: Any, decay: float) -> Any:
    """The moving average of squares: decay * average + (1 - decay) * value**2."""
    return ADD(times(average, decay), MUL(value, times(value, 1 - decay)))


def raw_gradient(param: Any, grad: Any, weight_decay: float, maximize: bool) -> Any:
    """The gradient to descend: negated to maximize, with the L2 penalty's share added."""
    if maximize:
        grad = NEG(grad)
    return add_scaled(grad, param, weight_decay) if weight_decay else grad


def sgd(
    param: Any,
    grad: Any,
    velocity: Any,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
) -> tuple[Any, Any]:
    """(param, velocity) after a step of descent with momentum; velocity None starts one.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning
    (2013).
    """
    if momentum == 0:
        return add_scaled(param, grad, -lr), velocity
    if velocity is None:
        velocity = grad
    else:
        velocity = add_scaled(times(velocity, momentum), grad, 1 - dampening)
    direction = add_scaled(grad, velocity, momentum) if nesterov else velocity
    return add_scaled(param, direction, -lr), velocity


def adam(
    param: Any,
    grad: Any,
    mean: Any,
    square: Any,
    largest: Any,
    *,
    step: float,
    lr: float,
    betas: tuple[float, float],
    eps: float,
) -> tuple[Any, Any, Any, Any]:
    """(param, mean, square, largest) after a step; `largest` is None without AMSGrad.

    Source: Kingma & Ba, Adam (arXiv:1412.6980); Reddi et al. (arXiv:1904.09237) for AMSGrad.
    """
    beta1, beta2 = betas
    mean = toward(mean, grad, 1 - beta1)
    square = mean_square(square, grad, beta2)
    if largest is not None:
        largest = MAXIMUM(largest, square)
    # m / (sqrt(v) / c + eps) is c m / (sqrt(v) + c eps): one factor less per element.
    correction = sqrt(1 - beta2**step)
    size = lr * correction / (1 - beta1**step)
    root = plus(SQRT(square if largest is None else largest), eps * correction)
    return add_scaled(param, DIV(mean, root), -size), mean, square, largest


def rmsprop(
    param: Any,
    grad: Any,
    square: Any,
    average: Any,
    velocity: Any,
    *,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
) -> tuple[Any, Any, Any, Any]:
    """(param, square, average, velocity) after a step; `average` None: not centered.

    Source: Tieleman & Hinton, Lecture 6.5 (2012); Graves (arXiv:1308.0850) for the centered form.
    """
    square = mean_square(square, grad, alpha)
    variance = square
    if average is not None:
        average = toward(average, grad, 1 - alpha)
        variance = SUB(square, MUL(average, average))
    direction = DIV(grad, plus(SQRT(variance), eps))
    if momentum > 0:
        velocity = ADD(times(velocity, momentum), direction)
        direction = velocity
    return add_scaled(param, direction, -lr), square, average, velocity


def adagrad(param: Any, grad: Any, total: Any, *, lr: float, eps: float) -> tuple[Any, Any]:
    """(param, total) after a step; `total` is the sum of the squared gradients.

    Source: Duchi, Hazan & Singer, Adaptive Subgradient Methods (2011).
    """
    total = ADD(total, MUL(grad, grad))
    return add_scaled(param, DIV(grad, plus(SQRT(total), eps)), -lr), total


def adam_rows(
    param: Any,
    mean: Any,
    square: Any,
    grad: Any,
    *,
    rate: float,
    betas: tuple[float, float],
    eps: float,
) -> tuple[Any, Any, Any]:
    """(param, mean, square) after a step of Adam whose rate has the corrections for the bias."""
    mean = toward(mean, grad, 1 - betas[0])
    square = toward(square, MUL(grad, grad), 1 - betas[1])
    return add_scaled(param, DIV(mean, plus(SQRT(square), eps)), -rate), mean, square


def adadelta(
    param: Any, grad: Any, square: Any, moved: Any, *, lr: float, rho: float, eps: float
) -> tuple[Any, Any, Any]:
    """(param, square, moved) after a step; `moved` averages the squared changes.

    Source: Zeiler, ADADELTA (arXiv:1212.5701).
    """
    square = mean_square(square, grad, rho)
    change = MUL(SQRT(DIV(plus(moved, eps), plus(square, eps))), grad)
    return add_scaled(param, change, -lr), square, mean_square(moved, change, rho)


def adamax(
    param: Any,
    grad: Any,
    mean: Any,
    norm: Any,
    *,
    step: float,
    lr: float,
    betas: tuple[float, float],
    eps: float,
) -> tuple[Any, Any, Any]:
    """(param, mean, norm) after a step; `norm` decays the largest magnitude seen.

    Source: Kingma & Ba, Adam (arXiv:1412.6980), section 7.1.
    """
    beta1, beta2 = betas
    mean = toward(mean, grad, 1 - beta1)
    norm = MAXIMUM(times(norm, beta2), plus(ABS(grad), eps))
    return add_scaled(param, DIV(mean, norm), -lr / (1 - beta1**step)), mean, norm


def nadam(
    param: Any,
    grad: Any,
    mean: Any,
    square: Any,
    *,
    step: float,
    betas: tuple[float, float],
    eps: float,
    grad_size: float,
    mean_size: float,
) -> tuple[Any, Any, Any]:
    """(param, mean, square) after a step along both the gradient and its mean, with these sizes.

    Source: Dozat, Incorporating Nesterov Momentum into Adam (2016).
    """
    beta1, beta2 = betas
    mean = toward(mean, grad, 1 - beta1)
    square = mean_square(square, grad, beta2)
    correction = sqrt(1 - beta2**step)
    root = plus(SQRT(square), eps * correction)
    direction = ADD(times(grad, grad_size * correction), times(mean, mean_size * correction))
    return SUB(param, DIV(direction, root)), mean, square


def radam(
    param: Any,
    grad: Any,
    mean: Any,
    square: Any,
    *,
    step: float,
    lr: float,
    betas: tuple[float, float],
    eps: float,
) -> tuple[Any, Any, Any]:
    """(param, mean, square) after a step; adaptive only once the variance can be estimated.

    Source: Liu et al., On the Variance of the Adaptive Learning Rate (arXiv:1908.03265).
    """
    beta1, beta2 = betas
    mean = toward(mean, grad, 1 - beta1)
    square = mean_square(square, grad, beta2)
    size = lr / (1 - beta1**step)
    correction2 = 1 - beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction2
    if length <= 5:
        return add_scaled(param, mean, -size), mean, square
    rectified = sqrt(
        (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    )
    direction = DIV(mean, plus(SQRT(square), eps))
    size *= sqrt(correction2) * rectified
    return add_scaled(param, direction, -size), mean, square


def rprop(
    param: Any,
    grad: Any,
    previous: Any,
    size: Any,
    *,
    etas: tuple[float, float],
    limits: tuple[float, float],
) -> tuple[Any, Any, Any]:
    """(param, previous gradient, size) after a step by sign; a turn of sign pauses an element.

    Source: Riedmiller & Braun, A direct adaptive method for faster backpropagation learning (1993).
    """
    shrink, grow = etas
    agreement = MUL(grad, previous)
    zero = number_like(0, grad)
    turned = LT(agreement, zero)
    factor = WHERE(turned, number_like(shrink, grad), number_like(1, grad))
    factor = WHERE(GT(agreement, zero), number_like(grow, grad), factor)
    size = MUL(size, factor)
    size = MINIMUM(MAXIMUM(size, number_like(limits[0], grad)), number_like(limits[1], grad))
    grad = WHERE(turned, zero, grad)
    return SUB(param, MUL(SIGN(grad), size)), grad, size


def asgd(
    param: Any, grad: Any, average: Any, *, eta: float, lambd: float, mu: float
) -> tuple[Any, Any]:
    """(param, average of the params) after a step.

    Source: Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging (1992).
    """
    param = add_scaled(times(param, 1 - lambd * eta), grad, -eta)
    return param, param if mu == 1 else toward(average, param, mu)

"""Optimizers of TensorFlow 1 whose updates solve for penalties: FTRL and the proximal methods."""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.errors import error
from plait.tf._variable import Variable
from plait.tf.compat._training import Optimizer, as_tensor, rule


def _require(word: str, value: float, holds: bool, what: str) -> None:
    if not holds:
        raise error(ValueError, f"{word} {value} needs to be {what}")


@rule
def _ftrl(
    g: Any,
    w: Any,
    squares: Any,
    linear: Any,
    rate: Any,
    power: float,
    l1: float,
    l2: float,
    shrinkage: float,
) -> Any:
    """McMahan et al. 2013, algorithm 1, with a penalty on the sum of updates (shrinkage)."""
    total = squares + g * g
    before, after = squares**-power, total**-power
    linear = linear + (g + w * (2 * shrinkage)) - (after - before) / rate * w
    scale = after / rate + 2 * l2
    solved = (plait.sign(linear) * l1 - linear) / scale
    return plait.where(plait.abs(linear) > l1, solved, plait.zeros_like(solved)), total, linear


class FtrlOptimizer(Optimizer):
    """Follow the regularized leader (McMahan et al. 2013)."""

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: Any = None,
        linear_name: Any = None,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float | None = None,
    ) -> None:
        super().__init__(use_locking, name)
        strengths = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for word, value in strengths.items():
            _require(word, value, value >= 0, "not negative")
        _require("learning_rate_power", learning_rate_power, learning_rate_power <= 0, "0 or less")
        self._rate, self._start, self._power = (
            learning_rate,
            initial_accumulator_value,
            learning_rate_power,
        )
        self._l1, self._l2 = l1_regularization_strength, l2_regularization_strength
        self._shrinkage = l2_shrinkage_regularization_strength
        if beta:
            # beta acts as a further penalty beta / (2 rate), which takes the rate as a number.
            self._l2 += beta / (2.0 * learning_rate)

    def update(self, grad: Any, variable: Variable) -> Any:
        squares = self.slot(variable, "accum", self._start)
        linear = self.slot(variable, "linear")
        numbers = (self._power, self._l1, self._l2, self._shrinkage)
        return _ftrl([variable, squares, linear], grad, as_tensor(self._rate), *numbers)


def _shrunk(moved: Any, rate: Any, l1: float, l2: float) -> Any:
    """The least of (x - moved)^2 / 2 + rate (l1 |x| + l2 x^2 / 2)."""
    size = plait.clamp(plait.abs(moved) - rate * l1, min=0) if l1 else plait.abs(moved)
    return plait.sign(moved) * size / (1 + rate * l2)


@rule
def _proximal_descent(g: Any, w: Any, rate: Any, l1: float, l2: float) -> Any:
    """Duchi and Singer 2009: a step of descent, then the penalties' own least."""
    return (_shrunk(w - g * rate, rate, l1, l2),)


@rule
def _proximal_adagrad(g: Any, w: Any, squares: Any, rate: Any, l1: float, l2: float) -> Any:
    """The same with Adagrad's rates."""
    squares = squares + g * g
    rate = rate * plait.rsqrt(squares)
    return _shrunk(w - g * rate, rate, l1, l2), squares


class ProximalGradientDescentOptimizer(Optimizer):
    """Gradient descent with penalties solved for (Duchi and Singer 2009)."""

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate = learning_rate
        self._penalties = (l1_regularization_strength, l2_regularization_strength)

    def update(self, grad: Any, variable: Variable) -> Any:
        return _proximal_descent([variable], grad, as_tensor(self._rate), *self._penalties)


class ProximalAdagradOptimizer(Optimizer):
    """Adagrad with penalties solved for."""

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        super().__init__(use_locking, name)
        start = initial_accumulator_value
        _require("initial_accumulator_value", start, start > 0, "positive")
        self._rate, self._start = learning_rate, initial_accumulator_value
        self._penalties = (l1_regularization_strength, l2_regularization_strength)

    def update(self, grad: Any, variable: Variable) -> Any:
        slot = self.slot(variable, "accumulator", self._start)
        return _proximal_adagrad([variable, slot], grad, as_tensor(self._rate), *self._penalties)

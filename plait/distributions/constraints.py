"""Sets that parameters and values of distributions must lie in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions import pointwise as pw

__all__ = [
    "Constraint",
    "boolean",
    "interval",
    "nonnegative",
    "positive",
    "real",
    "real_vector",
    "simplex",
    "unit_interval",
]


class Constraint:
    """A set with a test, elementwise or for vectors (`event_dim` 1)."""

    def __init__(self, name: str, test: Callable[[Any], Any], event_dim: int = 0) -> None:
        self.name = name
        self.event_dim = event_dim
        self._test = test

    def check(self, value: Any) -> Any:
        """Whether each element (or vector) lies in the set."""
        return self._test(value)

    def __repr__(self) -> str:
        return self.name


def _one_sum(value: Any) -> Any:
    near = pw.lt(pw.abs(pw.sub(value.sum(-1), 1)), 1e-6)
    return pw.logical_and(pw.ge(value, 0).all(-1), near)


def _whole(low: int, high: Any) -> Callable[[Any], Any]:
    def test(value: Any) -> Any:
        inside = pw.logical_and(pw.ge(value, low), pw.le(value, high))
        return pw.logical_and(inside, pw.eq(pw.fmod(value, 1), 0))

    return test


real = Constraint("Real()", lambda v: pw.eq(v, v))
real_vector = Constraint("IndependentConstraint(Real(), 1)", lambda v: pw.eq(v, v).all(-1), 1)
positive = Constraint("GreaterThan(lower_bound=0.0)", lambda v: pw.gt(v, 0))
nonnegative = Constraint("GreaterThanEq(lower_bound=0.0)", lambda v: pw.ge(v, 0))
boolean = Constraint("Boolean()", lambda v: pw.logical_or(pw.eq(v, 0), pw.eq(v, 1)))
simplex = Constraint("Simplex()", _one_sum, 1)
one_hot = Constraint(
    "OneHot()", lambda v: pw.logical_and(boolean.check(v).all(-1), pw.eq(v.sum(-1), 1)), 1
)


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """[lower_bound, upper_bound]."""
    return Constraint(
        f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda v: pw.logical_and(pw.ge(v, lower_bound), pw.le(v, upper_bound)),
    )


def integer_interval(lower_bound: int, upper_bound: Any) -> Constraint:
    """The whole numbers lower_bound .. upper_bound."""
    return Constraint(
        f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        _whole(lower_bound, upper_bound),
    )


unit_interval = interval(0.0, 1.0)

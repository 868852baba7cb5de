"""Sets that parameters and values of distributions must lie in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions import pointwise as pw

__all__ = [
    "Constraint",
    "boolean",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "lower_cholesky",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "positive",
    "positive_definite",
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


def greater_than_eq(lower_bound: Any) -> Constraint:
    """lower_bound and above."""
    return Constraint(f"GreaterThanEq(lower_bound={lower_bound})", lambda v: pw.ge(v, lower_bound))


def half_open_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """[lower_bound, upper_bound)."""
    return Constraint(
        f"HalfOpenInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda v: pw.logical_and(pw.ge(v, lower_bound), pw.lt(v, upper_bound)),
    )


nonnegative_integer = Constraint("IntegerGreaterThan(lower_bound=0)", _whole(0, float("inf")))


def multinomial(total: int) -> Constraint:
    """Counts of classes (the last axis) that add up to a total."""
    return Constraint(
        f"Multinomial(upper_bound={total})",
        lambda v: pw.logical_and(pw.ge(v, 0).all(-1), pw.le(v.sum(-1), total)),
        1,
    )


def independent(base: Constraint, count: int) -> Constraint:
    """A constraint with `count` more axes at the end taken as one event."""
    if not count:
        return base
    axes = tuple(range(-count, 0))

    def test(value: Any) -> Any:
        inside = base.check(value)
        for _ in axes:
            inside = inside.all(-1)
        return inside

    return Constraint(f"IndependentConstraint({base!r}, {count})", test, base.event_dim + count)


def _is_root(value: Any) -> Any:
    lower = pw.eq(value.tril(), value).all(-1).all(-1)
    return pw.logical_and(lower, pw.gt(value.diagonal(dim1=-2, dim2=-1), 0).all(-1))


def _is_definite(value: Any) -> Any:
    from plait.linalg import cholesky_ex

    # As close to symmetric as rounding leaves a product of matrices.
    near = pw.le(pw.abs(pw.sub(value, value.mT)), 1e-6 + 1e-5 * pw.abs(value.mT)).all(-1).all(-1)
    return pw.logical_and(near, pw.eq(cholesky_ex(value)[1], 0))


lower_cholesky = Constraint("LowerCholesky()", _is_root, 2)
positive_definite = Constraint("PositiveDefinite()", _is_definite, 2)

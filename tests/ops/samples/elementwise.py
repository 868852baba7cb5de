"""Samples of the elementwise records: arithmetic, transcendental functions, logic, casts."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.op import op_by_name
from tests.ops.samples import Sample, SampleMaker, values

SHAPES = ((3, 4), (), (0, 3), (2, 3, 5), (17,))

UNARY = (
    "neg", "abs", "sign", "floor", "ceil", "round", "trunc", "not", "isnan", "isinf", "isfinite",
    "log", "exp", "exp2", "expm1", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "sin",
    "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "sigmoid", "relu", "alias", "detach",
)  # fmt: skip
BINARY = (
    "add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "eq", "ne", "lt", "le",
    "gt", "ge", "and", "or", "xor", "floor_div", "trunc_div", "remainder", "fmod",
    "gcd",
)  # fmt: skip

#: Values at which functions have their special cases.
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 80.0, -80.0)


def _unary(name: str) -> SampleMaker:
    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        low, high = op_by_name(name).domain
        samples = [Sample((values(rng, dtype, shape, low, high),)) for shape in SHAPES]
        if dtype.kind == "f":
            samples.append(Sample((np.array(SPECIAL).astype(dtype.numpy),), grad=False))
        return samples

    return make


def _binary(name: str) -> SampleMaker:
    divides = name in ("floor_div", "trunc_div", "remainder", "fmod")
    compares = name in ("eq", "ne", "lt", "le", "gt", "ge")

    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        low, high = op_by_name(name).domain
        samples = []
        for shape in SHAPES:
            a = values(rng, dtype, shape, low, high)
            b = values(rng, dtype, shape, low, high)
            if divides:
                # Away from 0, where integers fail and quotients have steps close together.
                nonzero = np.where(np.abs(b.astype(np.float64)) < 0.5, 2, b.astype(np.float64))
                b = nonzero.astype(dtype.numpy)
            samples.append(Sample((a, b)))
        if dtype.kind == "f" and name != "pow":
            a, b = np.meshgrid(np.array(SPECIAL), np.array(SPECIAL))
            samples.append(Sample((a.astype(dtype.numpy), b.astype(dtype.numpy)), grad=False))
        if compares or name in ("maximum", "minimum"):
            ties = values(rng, dtype, (4, 3))
            samples.append(Sample((ties, ties.copy()), grad=False))
        return samples

    return make


def _powers(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    if dtype.kind == "f":
        samples = _binary("pow")(rng, dtype)
        points = np.array([0.0, 1.0, 2.0, -2.0, 0.5, np.inf, np.nan]).astype(dtype.numpy)
        a, b = np.meshgrid(points, points)
        return [*samples, Sample((a, b), grad=False)]
    bases = values(rng, dtype, (3, 4))
    powers = rng.integers(0, 4, (3, 4)).astype(dtype.numpy)
    return [Sample((bases, powers)), Sample((bases[:0], powers[:0]))]


def _shifts(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    counts = rng.integers(0, dtype.itemsize * 8, (3, 4)).astype(dtype.numpy)
    return [Sample((values(rng, dtype, shape), counts[: shape[0]])) for shape in ((3, 4), (0, 4))]


def _where(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (
                values(rng, dtypes.bool_, shape),
                values(rng, dtype, shape),
                values(rng, dtype, shape),
            )
        )
        for shape in SHAPES
    ]


def _casts(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for target in dtypes.COMMON:
        # Negative values in an unsigned type are a matter of their own: see test_elementwise.
        low = 0.0 if target.kind == "u" else -3.0
        for shape in ((3, 4), (), (0, 2)):
            x = values(rng, dtype, shape, low)
            if target.kind == "u":
                x = np.abs(x)
            smooth = target.name == "float64"
            samples.append(Sample((x,), {"dtype": target}, grad=smooth))
    return samples


SAMPLES: dict[str, SampleMaker] = {
    **{name: _unary(name) for name in UNARY},
    **{name: _binary(name) for name in BINARY},
    "pow": _powers,
    "shift_left": _shifts,
    "shift_right": _shifts,
    "where": _where,
    "cast": _casts,
}


def _named(name: str) -> Any:
    return lambda torch, *tensors: getattr(torch, name)(*tensors)


def _sub(torch: Any, a: Any, b: Any) -> Any:
    return a - b


TORCH = {
    **{name: _named(name) for name in (*UNARY, *BINARY)},
    "sub": _sub,
    "alias": lambda torch, x: x.clone(),
    "detach": lambda torch, x: x.detach(),
    "not": _named("bitwise_not"),
    "and": _named("bitwise_and"),
    "or": _named("bitwise_or"),
    "xor": _named("bitwise_xor"),
    "floor_div": lambda torch, a, b: torch.div(a, b, rounding_mode="floor"),
    "trunc_div": lambda torch, a, b: torch.div(a, b, rounding_mode="trunc"),
    "shift_left": _named("bitwise_left_shift"),
    "shift_right": _named("bitwise_right_shift"),
    "where": _named("where"),
    "cast": lambda torch, x, *, dtype: x.to(getattr(torch, dtype.name)),
}

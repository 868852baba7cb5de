"""Random graphs: elementwise ops, views, reductions, contractions and gathers on random shapes.

`random_graph(seed)` gives a graph and input arrays. Everything follows from the seed. Values stay
of moderate size: ops that grow or lose them (exp, division, logarithm) are fed bounded operands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.compiler.rewrite import Builder
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ops.catalog import __all__ as _families
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import (
    ABS,
    ADD,
    AND,
    CAST,
    DIV,
    EQ,
    GE,
    GT,
    LT,
    MAXIMUM,
    MINIMUM,
    MUL,
    NE,
    NEG,
    NOT,
    OR,
    SIGN,
    SUB,
    WHERE,
)
from plait.core.ops.index import TAKE
from plait.core.ops.math import EXP, LOG1P, RELU, SIGMOID, SQRT, TANH
from plait.core.ops.reduce import ARGMAX, MAX, MEAN, MIN, SUM
from plait.core.ops.scan import CUMSUM
from plait.core.ops.softmax import LOG_SOFTMAX, SOFTMAX
from plait.core.ops.view import BROADCAST, CONCAT, FLIP, PAD, RESHAPE, SLICE, TRANSPOSE

assert _families  # importing the catalog defines every record

_FLOATS = (dtypes.float32, dtypes.float32, dtypes.float64)
_EXTENTS = (1, 1, 2, 3, 4, 5, 7, 8, 16, 17, 33)


class Maker:
    """A graph that grows by random steps."""

    def __init__(self, seed: int, floats: tuple[DType, ...] = _FLOATS) -> None:
        self.random = np.random.RandomState(seed)
        self.dtype = floats[self.random.randint(len(floats))]
        self.index = self.random.randint(2, 5)
        self.floats = list(range(self.index))
        given = self.inputs()
        self.arrays = [array for _, array in given]
        self.build = Builder([spec for spec, _ in given])

    def inputs(self) -> list[tuple[Spec, np.ndarray]]:
        """Floats, then an index."""
        made: list[tuple[Spec, np.ndarray]] = []
        for _ in range(self.index):
            shape = self.shape()
            values = np.asarray(self.random.uniform(-1, 1, shape), self.dtype.numpy)
            made.append((Spec(shape, self.dtype), values))
        return [*made, (Spec((5,), dtypes.int64), self.random.randint(0, 2, 5))]

    def shape(self) -> tuple[int, ...]:
        return tuple(self.pick(_EXTENTS) for _ in range(self.random.randint(0, 4)))

    def pick(self, options: Any) -> Any:
        return options[self.random.randint(len(options))]

    def shape_of(self, value: int) -> tuple[int, ...]:
        return self.build.spec(value).shape

    def value(self, ranked: int = 0) -> int:
        """A float value, of late ones more often, with at least so many axes."""
        fitting = [v for v in self.floats if len(self.shape_of(v)) >= ranked] or self.floats
        late = fitting[-4:] if self.random.rand() < 0.6 else fitting
        return self.pick(late)

    def like(self, x: int) -> int:
        """Another value of the same shape: one that is there, or a broadcast, or a constant."""
        shape = self.shape_of(x)
        same = [v for v in self.floats if self.shape_of(v) == shape]
        if self.random.rand() < 0.5:
            return self.pick(same)
        for v in self.random.permutation(self.floats):
            if broadcasts(self.shape_of(int(v)), shape):
                return self.build.broadcast(int(v), shape)
        return self.build.full(float(self.random.randint(-2, 3)) / 2, shape, self.dtype)

    def step(self, steps: tuple[Callable[[Any], int | None], ...]) -> None:
        """Add what one of these makes, unless it is large."""
        made = self.pick(steps)(self)
        if made is not None and np.prod(self.shape_of(made)) <= 1 << 14:
            self.floats.append(made)


def broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    lead = len(wanted) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, wanted[lead:]))


def _unary(m: Maker) -> int:
    op = m.pick((NEG, ABS, TANH, SIGMOID, RELU, SIGN))
    return m.build.emit(op, m.value())


def _bounded(m: Maker) -> int:
    """exp, log1p and sqrt of what lies between 0 and 1."""
    inner = m.build.emit(SIGMOID, m.value())
    return m.build.emit(m.pick((EXP, LOG1P, SQRT)), inner)


def _binary(m: Maker) -> int:
    x = m.value()
    return m.build.emit(m.pick((ADD, SUB, MUL, MAXIMUM, MINIMUM)), x, m.like(x))


def _divide(m: Maker) -> int:
    x = m.value()
    one = m.build.full(1.0, m.shape_of(x), m.dtype)
    return m.build.emit(DIV, m.like(x), m.build.emit(ADD, m.build.emit(ABS, x), one))


def _select(m: Maker) -> int:
    x = m.value()
    y = m.like(x)
    mask = m.build.emit(m.pick((LT, GT, GE, EQ, NE)), x, y)
    if m.random.rand() < 0.3:
        other = m.build.emit(GT, y, x)
        mask = m.build.emit(m.pick((AND, OR)), mask, m.build.emit(NOT, other))
    if m.random.rand() < 0.3:
        return m.build.emit(CAST, mask, dtype=m.dtype)
    return m.build.emit(WHERE, mask, x, y)


def axes_of(m: Maker, x: int) -> tuple[int, ...]:
    rank = len(m.shape_of(x))
    count = m.random.randint(1, rank + 1)
    return tuple(sorted(m.random.choice(rank, count, replace=False).tolist()))


def _fold(m: Maker) -> int:
    x = m.value(1)
    if not m.shape_of(x):
        return x
    folded = m.build.emit(m.pick((SUM, MEAN, MAX, MIN)), x, axes=axes_of(m, x))
    if m.random.rand() < 0.6:
        return m.build.emit(SUB, x, m.build.broadcast(folded, m.shape_of(x)))
    return folded


def _argmax(m: Maker) -> int:
    x = m.value(1)
    if not m.shape_of(x):
        return x
    axis = m.random.randint(len(m.shape_of(x)))
    return m.build.cast(m.build.emit(ARGMAX, x, axis=int(axis)), m.dtype)


def _rowwise(m: Maker) -> int:
    x = m.value(1)
    if not m.shape_of(x):
        return x
    axis = int(m.random.randint(len(m.shape_of(x))))
    op = m.pick((SOFTMAX, LOG_SOFTMAX, CUMSUM))
    attrs: dict[str, Any] = {}
    if op is CUMSUM:
        attrs["reverse"] = bool(m.random.rand() < 0.5)
    return m.build.emit(op, x, axis=axis, **attrs)


def _transpose(m: Maker) -> int:
    x = m.value(2)
    axes = tuple(m.random.permutation(len(m.shape_of(x))).tolist())
    return m.build.emit(TRANSPOSE, x, axes=axes)


def _reshape(m: Maker) -> int:
    x = m.value()
    count = int(np.prod(m.shape_of(x)))
    divisors = [d for d in range(1, count + 1) if count % d == 0]
    first = m.pick(divisors)
    shape = m.pick(((count,), (first, count // first), (first, 1, count // first)))
    return m.build.emit(RESHAPE, x, shape=shape)


def _broadcast(m: Maker) -> int:
    x = m.value()
    shape = tuple(m.pick((2, 3)) if n == 1 else n for n in m.shape_of(x))
    return m.build.emit(BROADCAST, x, shape=(*((2,) if m.random.rand() < 0.5 else ()), *shape))


def _slice(m: Maker) -> int:
    x = m.value(1)
    starts, stops, steps = [], [], []
    for n in m.shape_of(x):
        start = int(m.random.randint(0, n))
        starts.append(start)
        stops.append(int(m.random.randint(start + 1, n + 1)))
        steps.append(int(m.random.randint(1, 3)))
    return m.build.emit(SLICE, x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


def _pad(m: Maker) -> int:
    x = m.value()
    rank = len(m.shape_of(x))

    def some(most: int) -> tuple[int, ...]:
        return tuple(int(n) for n in m.random.randint(0, most + 1, rank))

    interior = some(1) if m.random.rand() < 0.3 else (0,) * rank
    return m.build.emit(PAD, x, low=some(2), high=some(2), interior=interior, value=0.5)


def _flip(m: Maker) -> int:
    x = m.value(1)
    if not m.shape_of(x):
        return x
    return m.build.emit(FLIP, x, axes=axes_of(m, x))


def _concat(m: Maker) -> int:
    x = m.value(1)
    if not m.shape_of(x):
        return x
    axis = int(m.random.randint(len(m.shape_of(x))))
    return m.build.emit(CONCAT, x, m.like(x), axis=axis)


def _take(m: Maker) -> int | None:
    x = m.value(1)
    axes = [axis for axis, n in enumerate(m.shape_of(x)) if n > 1]
    return m.build.emit(TAKE, x, m.index, axis=m.pick(axes)) if axes else None


def _dot(m: Maker) -> int | None:
    a = m.value(1)
    pairs = [
        (b, i, j)
        for b in m.floats
        for i, n in enumerate(m.shape_of(a))
        for j, k in enumerate(m.shape_of(b))
        if n == k and len(m.shape_of(b)) <= 3
    ]
    if not pairs:
        return None
    b, i, j = m.pick(pairs)
    shape_a, shape_b = m.shape_of(a), m.shape_of(b)
    size = np.prod(shape_a) // shape_a[i] * (np.prod(shape_b) // shape_b[j])
    if size > 1 << 13:
        return None
    return m.build.emit(DOT_GENERAL, a, b, contract=((i,), (j,)), batch=((), ()))


STEPS: tuple[Callable[[Maker], int | None], ...] = (
    _unary, _bounded, _binary, _binary, _divide, _select, _fold, _fold, _argmax, _rowwise,
    _transpose, _reshape, _broadcast, _slice, _pad, _flip, _concat, _take, _dot, _dot,
)  # fmt: skip


def random_graph(seed: int, steps: int = 12) -> tuple[Graph, list[np.ndarray]]:
    """(graph, input arrays) of a seed; one to four outputs."""
    maker = Maker(seed)
    for _ in range(steps):
        maker.step(STEPS)
    made = [v for v in maker.floats if v > maker.index] or [0]
    count = maker.random.randint(1, 5)
    outputs = [made[-1], *[maker.pick(made) for _ in range(count - 1)]]
    return maker.build.finish(outputs), maker.arrays

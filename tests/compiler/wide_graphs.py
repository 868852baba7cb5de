"""Random graphs with all element types and the ops that have kernels of their own.

`wide_graph(seed)` mixes the steps of `random_graphs` with integers, masks, 16-bit floats, indexed
movement, sorting, convolution, pooling and large products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import ITEM, op_by_name
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import (
    ADD,
    AND,
    CAST,
    GT,
    LT,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    OR,
    SUB,
    WHERE,
)
from plait.core.ops.index import ADD_AT, GATHER, SCATTER
from plait.core.ops.math import SIGMOID, TANH
from plait.core.ops.reduce import ALL, ANY, ARGMAX, ARGMIN, MAX, MIN, PROD, SUM
from plait.core.ops.scan import CUMSUM
from plait.core.ops.sort import SORT, TOPK
from tests.compiler.random_graphs import STEPS, Maker, axes_of, broadcasts

_FLOATS = (
    dtypes.float32, dtypes.float32, dtypes.float32, dtypes.float64, dtypes.bfloat16, dtypes.float16,
)  # fmt: skip
_WHOLE = (dtypes.int32, dtypes.int64, dtypes.bool_, dtypes.int8, dtypes.uint8, dtypes.int16)
#: (rows, inner, columns) of products that are cut in tiles.
_PRODUCTS = ((64, 784, 128), (33, 65, 129), (1, 300, 70), (128, 17, 48), (200, 64, 1), (5, 129, 16))


class WideMaker(Maker):
    """A maker whose graphs have inputs of other types too.

    whole: integers and masks by number; they stay between -128 and 127, or wrap in both executors.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed, _FLOATS)
        self.whole: list[int] = []

    def inputs(self) -> list[tuple[Spec, np.ndarray]]:
        made = super().inputs()
        for _ in range(2):
            shape, dtype = self.shape(), self.pick(_WHOLE)
            low, high = (0, 2) if dtype.kind == "b" else (0 if dtype.kind == "u" else -9, 10)
            values = self.random.randint(low, high, shape)
            made.append((Spec(shape, dtype), np.asarray(values, dtype.numpy)))
        return made

    def any_value(self) -> int:
        """A value of any type; at first the inputs that are not floats."""
        if not self.whole:
            self.whole = [self.index + 1, self.index + 2]
        return self.pick(self.whole) if self.random.rand() < 0.7 else self.value()

    def whole_value(self) -> int:
        self.any_value()
        return self.pick(self.whole)

    def keep(self, value: int) -> None:
        """Enter what a step made among the values of its kind."""
        spec = self.build.spec(value)
        if spec.dtype is self.dtype:
            self.floats.append(value)
        elif not spec.dtype.is_floating_point:
            self.whole.append(value)

    def number(self, shape: tuple[int, ...], below: int) -> int:
        """An int64 index of this shape, made of the graph's index input."""
        count = int(np.prod(shape))
        spread = self.build.broadcast(self.index, (-(-count // 5), 5))
        flat = self.build.reshape(spread, (-(-count // 5) * 5,))
        cut = self.build.emit(op_by_name("slice"), flat, starts=(0,), stops=(count,), steps=(1,))
        most = self.build.full(below - 1, (count,), dtypes.int64)
        return self.build.reshape(self.build.emit(MINIMUM, cut, most), shape)


def _cast(m: WideMaker) -> int:
    """Between any two types; unsigned and narrow ones only from what is surely in their range."""
    x = m.any_value()
    kind = m.build.spec(x).dtype.kind
    if kind == "f":
        x = m.build.emit(TANH, x)
        return m.build.emit(CAST, x, dtype=m.pick((*_FLOATS, dtypes.int32, dtypes.int8)))
    return m.build.emit(CAST, x, dtype=m.pick((m.dtype, m.dtype, *_WHOLE)))


def _whole_binary(m: WideMaker) -> int | None:
    x = m.whole_value()
    spec = m.build.spec(x)
    fitting = [
        v
        for v in m.whole
        if m.build.spec(v).dtype is spec.dtype and broadcasts(m.shape_of(v), spec.shape)
    ]
    y = m.build.broadcast(m.pick(fitting), spec.shape)
    if spec.dtype.kind == "b":
        return m.build.emit(m.pick((AND, OR)), x, y)
    return m.build.emit(m.pick((ADD, SUB, MUL, MAXIMUM, MINIMUM, LT, GT)), x, y)


def _whole_fold(m: WideMaker) -> int | None:
    x = m.whole_value()
    spec = m.build.spec(x)
    if not spec.shape:
        return None
    if spec.dtype.kind == "b":
        return m.build.emit(m.pick((ANY, ALL)), x, axes=axes_of(m, x))
    op = m.pick((SUM, MAX, MIN, PROD, ARGMAX, ARGMIN, CUMSUM))
    if op in (SUM, PROD, CUMSUM) and spec.dtype.itemsize < 4:
        x = m.build.cast(x, dtypes.int32)
    axis = int(m.random.randint(len(spec.shape)))
    if op is CUMSUM:
        return m.build.emit(op, x, axis=axis, reverse=bool(m.random.rand() < 0.5))
    attrs: dict[str, Any] = {"axis": axis} if op in (ARGMAX, ARGMIN) else {"axes": axes_of(m, x)}
    return m.build.emit(op, x, **attrs)


def _where_constant(m: WideMaker) -> int:
    x = m.value()
    shape = m.shape_of(x)
    mask = m.build.emit(m.pick((LT, GT)), x, m.build.full(0.25, shape, m.dtype))
    other = m.build.full(m.pick((0.0, -1.0, 0.5)), shape, m.dtype)
    chosen = (x, other) if m.random.rand() < 0.5 else (other, x)
    return m.build.emit(WHERE, mask, *chosen)


def _product_of(m: WideMaker) -> int | None:
    x = m.value(1)
    if not m.shape_of(x):
        return None
    return m.build.emit(PROD, m.build.emit(SIGMOID, x), axes=axes_of(m, x))


def _add_at(m: WideMaker) -> int | None:
    x = m.value(1)
    shape = m.shape_of(x)
    if not shape:
        return None
    axis = int(m.random.randint(len(shape)))
    rows = (*shape[:axis], 5, *shape[axis + 1 :])
    source = m.build.full(0.5, rows, m.dtype)
    for v in m.floats:
        if broadcasts(m.shape_of(v), rows):
            source = m.build.broadcast(v, rows)
    index = m.number((5,), shape[axis])
    return m.build.emit(ADD_AT, x, index, source, axis=axis)


def _gather(m: WideMaker) -> int | None:
    x = m.value(1)
    shape = m.shape_of(x)
    if not shape:
        return None
    axis = int(m.random.randint(len(shape)))
    index = m.number((*shape[:axis], 3, *shape[axis + 1 :]), shape[axis])
    taken = m.build.emit(GATHER, x, index, axis=axis)
    if m.random.rand() < 0.5:
        return taken
    return m.build.emit(SCATTER, x, index, m.build.emit(NEG, taken), axis=axis, mode="add")


def _order(m: WideMaker) -> int | None:
    x = m.any_value()
    spec = m.build.spec(x)
    if not spec.shape or spec.dtype.kind == "b":
        return None
    axis = int(m.random.randint(len(spec.shape)))
    if m.random.rand() < 0.5:
        both = m.build.emit(SORT, x, axis=axis, descending=bool(m.random.rand() < 0.5), stable=True)
    else:
        k = int(m.random.randint(1, spec.shape[axis] + 1))
        both = m.build.emit(TOPK, x, k=k, axis=axis, largest=bool(m.random.rand() < 0.5))
    return m.build.emit(ITEM, both, index=int(m.random.rand() < 0.3))


def _spread(m: WideMaker, shape: tuple[int, ...]) -> int:
    """A float value of this shape, with many different entries."""
    count = int(np.prod(shape))
    x = m.value()
    have = int(np.prod(m.shape_of(x)))
    times = -(-count // have)
    flat = m.build.reshape(x, (1, have))
    steps = m.build.emit(op_by_name("arange"), start=0, step=1, size=times, dtype=dtypes.float32)
    scaled = m.build.emit(MUL, steps, m.build.full(0.37, (times,), dtypes.float32))
    waves = m.build.cast(m.build.emit(op_by_name("sin"), scaled), m.dtype)
    grid = (times, have)
    mixed = m.build.emit(
        ADD,
        m.build.broadcast(flat, grid),
        m.build.broadcast(m.build.reshape(waves, (times, 1)), grid),
    )
    bounded = m.build.reshape(m.build.emit(TANH, mixed), (times * have,))
    cut = m.build.emit(op_by_name("slice"), bounded, starts=(0,), stops=(count,), steps=(1,))
    return m.build.reshape(cut, shape)


def _wide_dot(m: WideMaker) -> int:
    rows, inner, columns = m.pick(_PRODUCTS)
    swap_a, swap_b = m.random.rand(2) < 0.5
    a = _spread(m, (inner, rows) if swap_a else (rows, inner))
    b = _spread(m, (columns, inner) if swap_b else (inner, columns))
    contract = ((0 if swap_a else 1,), (1 if swap_b else 0,))
    made = m.build.emit(DOT_GENERAL, a, b, contract=contract, batch=((), ()))
    return m.build.emit(m.pick((TANH, NEG)), made)


def _batched_dot(m: WideMaker) -> int:
    batch, rows, inner, columns = (m.pick((1, 2, 3, 5, 9)) for _ in range(4))
    a, b = _spread(m, (batch, rows, inner)), _spread(m, (batch, inner, columns))
    return m.build.emit(DOT_GENERAL, a, b, contract=((2,), (1,)), batch=((0,), (0,)))


def _conv(m: WideMaker) -> int:
    groups = m.pick((1, 1, 2))
    given, made = groups * m.pick((1, 2, 3, 8)), groups * m.pick((1, 3, 8))
    k = m.pick((1, 2, 3))
    x, w = _spread(m, (m.pick((1, 2)), given, 7, 9)), _spread(m, (made, given // groups, k, k))
    low = m.pick((0, 1))
    return m.build.emit(
        op_by_name("conv"),
        x,
        w,
        strides=(m.pick((1, 2)), 1),
        padding=((low, low), (low, 0)),
        dilation=(1, m.pick((1, 2))),
        groups=groups,
    )


def _pool(m: WideMaker) -> int:
    x = _spread(m, (2, m.pick((1, 3, 16)), 7, 8))
    attrs = {
        "window": (m.pick((2, 3)), 2),
        "strides": (m.pick((1, 2)), 2),
        "padding": ((m.pick((0, 1)), 0), (0, 0)),
        "dilation": (1, 1),
    }
    if m.random.rand() < 0.5:
        return m.build.emit(op_by_name("window_sum"), x, **attrs)
    both = m.build.emit(op_by_name("max_pool"), x, **attrs)
    return m.build.emit(ITEM, both, index=0)


_EXTRA: tuple[Callable[[WideMaker], int | None], ...] = (
    _cast, _cast, _whole_binary, _whole_binary, _whole_fold, _whole_fold, _where_constant,
    _product_of, _add_at, _gather, _order, _wide_dot, _batched_dot, _conv, _pool,
)  # fmt: skip


def wide_graph(seed: int, steps: int = 12) -> tuple[Graph, list[np.ndarray]]:
    """(graph, input arrays) of a seed; one to five outputs, of several types."""
    m = WideMaker(seed)
    for _ in range(steps):
        if m.random.rand() < 0.5:
            m.step(STEPS)
            continue
        made = m.pick(_EXTRA)(m)
        if made is not None and np.prod(m.shape_of(made)) <= 1 << 14:
            m.keep(made)
    first = len(m.arrays)
    floats = [v for v in m.floats if v >= first] or [0]
    whole = [v for v in m.whole if v >= first]
    outputs = [floats[-1], *[m.pick(floats) for _ in range(m.random.randint(0, 3))]]
    outputs += [m.pick(whole) for _ in range(min(2, len(whole)))]
    return m.build.finish(outputs), m.arrays

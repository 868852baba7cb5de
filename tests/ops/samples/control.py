"""Samples of the ops that hold sub-graphs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.ops.elementwise import ADD, LT, MUL, cast
from plait.core.ops.math import TANH
from plait.core.ops.source import constant
from tests.ops.samples import Sample, values


def _cond(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape in [(), (3,), (2, 0)]:
        specs = [Spec(shape, dtype), Spec(shape, dtype)]
        then = trace(lambda a, b: (ADD(a, b), a), specs)
        orelse = trace(lambda a, b: (b, ADD(a, a)), specs)
        for pred in (True, False):
            operands = (values(rng, dtype, shape), values(rng, dtype, shape))
            attrs = {"then": then, "orelse": orelse}
            made.append(Sample((np.array(pred), *operands), attrs))
    return made


def _while(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    # Without floating state, since the gradient of a `while` is refused (see test_control).
    state = [Spec((), dtypes.int64), Spec((3,), dtypes.int32)]
    condition = trace(lambda i, x: LT(i, constant(4, i)), state)
    body = trace(lambda i, x: (ADD(i, constant(1, i)), ADD(x, x)), state)
    return [
        Sample(
            (np.array(start), np.arange(3, dtype=np.int32)), {"condition": condition, "body": body}
        )
        for start in (0, 3, 9)
    ]


def recurrent_body(dtype: DType) -> Graph:
    """w, h, n, x -> h' = tanh(w h + x), n + 1; h' x and n as results; w is constant."""

    def turn(w, h, n, x):
        new = TANH(ADD(MUL(w, h), x)) if dtype.is_floating_point else ADD(ADD(w, h), x)
        return new, ADD(n, constant(1, n)), MUL(new, x), cast(n, dtype)

    vector = Spec((2,), dtype)
    return trace(turn, [vector, vector, Spec((), dtypes.int64), vector])


def _scan(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    body = recurrent_body(dtype)
    for length in (0, 1, 4):
        for reverse in (False, True):
            operands = (
                values(rng, dtype, (2,), 0, 1),
                values(rng, dtype, (2,)),
                np.array(0),
                values(rng, dtype, (length, 2)),
            )
            attrs = {"body": body, "constants": 1, "carries": 2, "length": length}
            made.append(Sample(operands, attrs | {"reverse": reverse}))
    apart = trace(lambda x: MUL(x, x), [Spec((), dtype)])
    attrs = {"body": apart, "constants": 0, "carries": 0, "length": 3, "reverse": False}
    made.append(Sample((values(rng, dtype, (3,)),), attrs))
    return made


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "cond": _cond,
    "while": _while,
    "scan": _scan,
}

TORCH: dict[str, Callable] = {}

"""Samples of the recurrent ops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values

#: (T, B, H) of the samples; none may be differentiated without elements.
_EXTENTS = ((3, 2, 3), (1, 1, 1), (2, 3, 2))
_EMPTY = ((0, 2, 3), (2, 0, 3), (2, 2, 0))


def _draw(rng: np.random.Generator, dtype: DType, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [values(rng, dtype, shape, -1.0, 1.0) for shape in shapes]


def _samples(make: Callable[..., list[np.ndarray]]) -> list[Sample]:
    made = [
        Sample(tuple(make(*extents)), {"reverse": bool(number % 2)})
        for number, extents in enumerate((*_EXTENTS, *_EMPTY))
    ]
    made.append(Sample(tuple(make(3, 2, 2, more=True)), {"reverse": False}))
    made.append(Sample(tuple(make(2, 1, 3, more=True)), {"reverse": True}))
    return made


def _lstm(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    def make(t: int, b: int, h: int, more: bool = False) -> list[np.ndarray]:
        return _draw(rng, dtype, (t, b, 4 * h), (b, h), (b, h), (4 * h, h))

    return _samples(make)


def _lstm_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    def make(t: int, b: int, h: int, more: bool = False) -> list[np.ndarray]:
        states, gates = (t, b, h), (t, b, 4 * h)
        extra = (gates,) if more else ()
        return _draw(rng, dtype, states, states, gates, states, (b, h), (4 * h, h), *extra)

    return _samples(make)


def _gru(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    def make(t: int, b: int, h: int, more: bool = False) -> list[np.ndarray]:
        bias = ((3 * h,),) if more else ()
        return _draw(rng, dtype, (t, b, 3 * h), (b, h), (3 * h, h), *bias)

    return _samples(make)


def _gru_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    def make(t: int, b: int, h: int, more: bool = False) -> list[np.ndarray]:
        states, gates = (t, b, h), (t, b, 4 * h)
        extra = (gates,) if more else ()
        return _draw(rng, dtype, states, states, gates, (b, h), (3 * h, h), *extra)

    return _samples(make)


def _elman(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for number, (t, b, h) in enumerate((*_EXTENTS, *_EMPTY)):
        operands = _draw(rng, dtype, (t, b, h), (b, h), (h, h))
        for relu in (False, True):
            made.append(Sample(tuple(operands), {"relu": relu, "reverse": bool(number % 2)}))
    return made


def _elman_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for number, (t, b, h) in enumerate((*_EXTENTS, *_EMPTY)):
        operands = _draw(rng, dtype, (t, b, h), (t, b, h), (h, h))
        for relu in (False, True):
            made.append(Sample(tuple(operands), {"relu": relu, "reverse": bool(number % 2)}))
    return made


SAMPLES = {
    "elman_sequence": _elman,
    "elman_sequence_grad": _elman_grad,
    "lstm_sequence": _lstm,
    "lstm_sequence_grad": _lstm_grad,
    "gru_sequence": _gru,
    "gru_sequence_grad": _gru_grad,
}

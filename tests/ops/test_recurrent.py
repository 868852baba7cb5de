"""What the recurrent ops refuse."""

from __future__ import annotations

from typing import Any

import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.node import Spec
from plait.core.ops.elman import ELMAN_SEQUENCE
from plait.core.ops.recurrent import GRU_SEQUENCE, LSTM_SEQUENCE, LSTM_SEQUENCE_GRAD


def _spec(*shape: int, dtype: Any = dtypes.float32) -> Spec:
    return Spec(shape, dtype)


def test_shapes_must_fit() -> None:
    state, weight = _spec(2, 3), _spec(12, 3)
    with pytest.raises(ShapeError, match=r"lstm_sequence: expected \(T, B, 4 \* H\) first.*14"):
        LSTM_SEQUENCE.infer(_spec(5, 2, 14), state, state, weight, reverse=False)
    with pytest.raises(ShapeError, match=r"expected x .* c0 \[2, 3\], w .*received.*\[4, 3\]"):
        LSTM_SEQUENCE.infer(_spec(5, 2, 12), state, _spec(4, 3), weight, reverse=False)
    with pytest.raises(ShapeError, match=r"bias \[9\].*\[12\]"):
        GRU_SEQUENCE.infer(_spec(5, 2, 9), state, _spec(9, 3), _spec(12), reverse=False)
    with pytest.raises(ShapeError, match="first"):
        attrs = {"relu": True, "reverse": False}
        ELMAN_SEQUENCE.infer(_spec(5, 2), state, _spec(3, 3), **attrs)
    with pytest.raises(ShapeError, match="dgates"):
        states, gates = _spec(5, 2, 3), _spec(5, 2, 12)
        given = (states, states, gates, states, state, weight, _spec(5, 2, 9))
        LSTM_SEQUENCE_GRAD.infer(*given, reverse=False)


def test_one_floating_dtype() -> None:
    state = _spec(2, 3)
    with pytest.raises(DTypeError, match=r"float32.*float64"):
        wide = _spec(12, 3, dtype=dtypes.float64)
        LSTM_SEQUENCE.infer(_spec(5, 2, 12), state, state, wide, reverse=False)
    with pytest.raises(DTypeError, match="int64"):
        whole = [_spec(*shape, dtype=dtypes.int64) for shape in ((5, 2, 9), (2, 3), (9, 3))]
        GRU_SEQUENCE.infer(*whole, reverse=False)

"""Random bits and what is drawn from them, by the counter-based Philox4x32-10.

The counter, int64 [seed, offset], is a run-time input: no pass merges two draws, and the bits of
element i depend on (seed, offset, i) alone, not on threads, layout or shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ADD, LT, MUL, SHIFT_RIGHT, cast
from plait.core.ops.numeric.philox import philox_bits
from plait.core.ops.source import constant, full
from plait.core.ops.view import reshape, slice_axis

_WORDS = 1 << 32


def _require_counter(name: str, counter: Any) -> None:
    if counter.shape != (2,) or counter.dtype is not dtypes.int64:
        raise ShapeError(
            f"{name}: expected a counter int64[2] of seed and offset, received "
            f"{counter.dtype.name}{list(counter.shape)}"
        )


def _bits(counter: np.ndarray, count: int) -> np.ndarray:
    seed, offset = counter.tolist()
    return philox_bits(seed, offset, count)


# -- bits -------------------------------------------------------------------------------------


def _infer_random_bits(counter: Any, *, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """32 random bits for each element, as uint32."""
    _require_counter("random_bits", counter)
    return shape, dtypes.uint32


RANDOM_BITS = Op(
    "random_bits",
    infer=_infer_random_bits,
    lowering=Lowering.RANDOM,
    reference=lambda counter, *, shape: _bits(counter, elements(shape)).reshape(shape),
    differentiable=(),
    # Ten rounds of two multiplications and four exclusive-ors make four words.
    flops=lambda counter, *, shape: 15 * elements(shape),
    bytes=lambda counter, *, shape: 4 * elements(shape),
    dtypes=(dtypes.int64,),
)


# -- uniform ----------------------------------------------------------------------------------

#: Bits of a draw from [0, 1) that each dtype holds exactly: rounding could give 1.
_DIGITS = {dtypes.float16: 11, dtypes.bfloat16: 8, dtypes.float32: 24}


def _infer_uniform(counter: Any, *, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """Multiples of 2^-d in [0, 1), each equally likely; d is the dtype's precision."""
    _require_counter("uniform", counter)
    if not dtype.is_floating_point:
        raise DTypeError(f"uniform: dtype {dtype.name} is not supported; expected a float")
    return shape, dtype


def _uniform(counter: np.ndarray, *, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    count = elements(shape)
    if dtype is dtypes.float64:
        high, low = _bits(counter, 2 * count).reshape(count, 2).T
        numbers = (high >> 5) * np.float64(1 << 26) + (low >> 6)
        return (numbers * 2.0**-53).reshape(shape)
    digits = _DIGITS[dtype]
    numbers = (_bits(counter, count) >> (32 - digits)).astype(np.float32)
    return (numbers * np.float32(2.0**-digits)).reshape(shape)


def _uniform_body(counter: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype is dtypes.float64:
        # 27 bits of one word and 26 of the next.
        words = RANDOM_BITS(counter, shape=(*shape, 2))
        high = reshape(slice_axis(words, len(shape), 0, 1), shape)
        low = reshape(slice_axis(words, len(shape), 1, 2), shape)
        top = cast(SHIFT_RIGHT(high, constant(5, high)), dtype)
        rest = cast(SHIFT_RIGHT(low, constant(6, low)), dtype)
        number = ADD(MUL(top, constant(float(1 << 26), top)), rest)
        return MUL(number, constant(2.0**-53, number))
    digits = _DIGITS[dtype]
    bits = RANDOM_BITS(counter, shape=shape)
    number = cast(SHIFT_RIGHT(bits, constant(32 - digits, bits)), dtypes.float32)
    return cast(MUL(number, constant(2.0**-digits, number)), dtype)


UNIFORM = Op(
    "uniform",
    infer=_infer_uniform,
    lowering=Lowering.RANDOM,
    reference=_uniform,
    body=_uniform_body,
    differentiable=(),
    flops=lambda counter, *, shape, dtype: 17 * elements(shape),
    bytes=lambda counter, *, shape, dtype: dtype.itemsize * elements(shape),
    dtypes=(dtypes.int64,),
)


# -- masks ------------------------------------------------------------------------------------


def _infer_bernoulli_mask(counter: Any, *, shape: tuple[int, ...], p: float) -> tuple[Any, Any]:
    """True with probability p (to the nearest 2^-32) in each place."""
    _require_counter("bernoulli_mask", counter)
    if not 0 <= p <= 1:
        raise ValueError(f"bernoulli_mask: expected a probability between 0 and 1, received {p}")
    return shape, dtypes.bool_


def _threshold(p: float) -> int:
    return round(p * _WORDS)


def _bernoulli_mask(counter: np.ndarray, *, shape: tuple[int, ...], p: float) -> np.ndarray:
    threshold = _threshold(p)
    if threshold == _WORDS:
        return np.ones(shape, bool)
    return (_bits(counter, elements(shape)) < np.uint32(threshold)).reshape(shape)


def _bernoulli_body(counter: Any, *, shape: tuple[int, ...], p: float) -> Any:
    threshold = _threshold(p)
    if threshold == _WORDS:
        return full(True, shape, dtypes.bool_)
    bits = RANDOM_BITS(counter, shape=shape)
    return LT(bits, constant(threshold, bits))


BERNOULLI_MASK = Op(
    "bernoulli_mask",
    infer=_infer_bernoulli_mask,
    lowering=Lowering.RANDOM,
    reference=_bernoulli_mask,
    body=_bernoulli_body,
    differentiable=(),
    flops=lambda counter, *, shape, p: 16 * elements(shape),
    bytes=lambda counter, *, shape, p: elements(shape),
    dtypes=(dtypes.int64,),
)

"""What the random ops promise: bits by index, ranges, bodies equal to references, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops import random
from plait.core.reference.executor import run

COUNTER = Spec((2,), dtypes.int64)


def draw(op, seed=1, offset=0, body=False, **attrs):
    made = op.body if body else op
    graph = trace(lambda counter: made(counter, **attrs), [COUNTER])
    return run(graph, [np.array([seed, offset])])[0]


def test_bits_depend_on_seed_offset_and_index_only():
    bits = draw(random.RANDOM_BITS, shape=(40,))
    np.testing.assert_array_equal(draw(random.RANDOM_BITS, shape=(5, 3)).ravel(), bits[:15])
    assert (draw(random.RANDOM_BITS, offset=1, shape=(40,)) != bits).all()
    assert (draw(random.RANDOM_BITS, seed=-1, shape=(40,)) != bits).all()


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda d: d.name)
@pytest.mark.parametrize("shape", [(), (6,), (3, 5), (0, 4)])
def test_uniform_is_its_body_bit_for_bit(dtype, shape):
    direct = draw(random.UNIFORM, shape=shape, dtype=dtype)
    assert direct.dtype == dtype.numpy
    assert direct.shape == shape
    through_body = draw(random.UNIFORM, body=True, shape=shape, dtype=dtype)
    assert direct.tobytes() == through_body.tobytes()


@pytest.mark.parametrize("p", [0.0, 1e-12, 0.25, 1 - 1e-12, 1.0])
def test_mask_is_its_body(p):
    direct = draw(random.BERNOULLI_MASK, shape=(4, 5), p=p)
    np.testing.assert_array_equal(direct, draw(random.BERNOULLI_MASK, body=True, shape=(4, 5), p=p))


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda d: d.name)
def test_uniform_stays_below_one_and_is_uniform(dtype):
    n = 100_000
    x = draw(random.UNIFORM, seed=7, shape=(n,), dtype=dtype).astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    # Multiples of 2^-d in [0, 1) have mean 1/2 - 2^-(d+1); five standard errors of 1/sqrt(12 n).
    digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype.name]
    assert abs(x.mean() - (0.5 - 2.0 ** -(digits + 1))) < 5 / math.sqrt(12 * n)
    assert abs(x.var() - 1 / 12) < 5 / math.sqrt(180 * n) + 2.0**-digits


def test_mask_has_its_probability():
    n, p = 100_000, 0.3
    mask = draw(random.BERNOULLI_MASK, seed=3, shape=(n,), p=p)
    assert abs(mask.mean() - p) < 5 * math.sqrt(p * (1 - p) / n)
    assert not draw(random.BERNOULLI_MASK, shape=(n,), p=0.0).any()
    assert draw(random.BERNOULLI_MASK, shape=(n,), p=1.0).all()


def test_errors():
    with pytest.raises(ShapeError, match=r"random_bits: expected a counter int64\[2\]"):
        random.RANDOM_BITS.infer(Spec((3,), dtypes.int64), shape=(2,))
    with pytest.raises(DTypeError, match="uniform: dtype int32"):
        random.UNIFORM.infer(COUNTER, shape=(2,), dtype=dtypes.int32)
    with pytest.raises(ValueError, match="probability between 0 and 1, received nan"):
        random.BERNOULLI_MASK.infer(COUNTER, shape=(2,), p=math.nan)

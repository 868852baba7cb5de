"""Convolution against plain loops, in parts of bounded memory, and its error texts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.conv import CONV, CONV_INPUT_GRAD, CONV_WEIGHT_GRAD, conv_transpose
from plait.core.ops.numeric import conv as numeric
from plait.core.reference.executor import run
from tests.ops.samples.conv import CASES, Case

F32 = dtypes.float32
# Integers this small keep every sum exact in float64, so the results must be equal.
SMALL = 5


def products(case: Case) -> Any:
    """(sample, output, place, channel, channel in group, tap, source) of each product of a conv."""
    per_group = case.channels // case.groups
    outputs = case.outputs // case.groups
    for n, o in itertools.product(range(case.samples), range(case.outputs)):
        for place in np.ndindex(*case.extents):
            for c, tap in itertools.product(range(per_group), np.ndindex(*case.kernel)):
                source = tuple(
                    p * s + t * d - lo
                    for p, s, t, d, (lo, _) in zip(
                        place, case.strides, tap, case.dilation, case.padding
                    )
                )
                if all(0 <= i < m for i, m in zip(source, case.spatial)):
                    yield (n, o // outputs * per_group + c, *source), (o, c, *tap), (n, o, *place)


def whole(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-SMALL, SMALL + 1, shape).astype(np.float64)


def evaluate(function: Any, *arrays: np.ndarray) -> np.ndarray:
    specs = [Spec(x.shape, dtypes.dtype_of(x.dtype)) for x in arrays]
    return run(trace(function, specs), arrays)[0]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("part_bytes", [numeric.PATCH_BYTES, 1], ids=["whole", "in parts"])
def test_three_convolutions_against_loops(
    case: Case, part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numeric, "PATCH_BYTES", part_bytes)
    rng = np.random.default_rng(1)
    x, w, g = whole(rng, case.shape_x), whole(rng, case.shape_w), whole(rng, case.shape_g)
    y, input_grad, weight_grad = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    for of_x, of_w, of_y in products(case):
        y[of_y] += x[of_x] * w[of_w]
        input_grad[of_x] += g[of_y] * w[of_w]
        weight_grad[of_w] += x[of_x] * g[of_y]
    np.testing.assert_array_equal(evaluate(lambda x, w: CONV(x, w, **case.window), x, w), y)
    np.testing.assert_array_equal(
        evaluate(lambda g, w: CONV_INPUT_GRAD(g, w, spatial=case.spatial, **case.window), g, w),
        input_grad,
    )
    np.testing.assert_array_equal(
        evaluate(lambda x, g: CONV_WEIGHT_GRAD(x, g, kernel=case.kernel, **case.window), x, g),
        weight_grad,
    )


def test_integers_are_exact() -> None:
    x = np.array([[[2**53, 1, 0]]])
    w = np.ones((1, 1, 2), np.int64)
    plain = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
    result = evaluate(lambda x, w: CONV(x, w, **plain), x, w)
    np.testing.assert_array_equal(result, [[[2**53 + 1, 1]]])


def conv_2d(shape_x: Any, shape_w: Any, **changes: Any) -> Any:
    attrs: dict[str, Any] = {
        "strides": (1, 1),
        "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1),
        "groups": 1,
    }
    attrs.update(changes)
    return trace(lambda x, w: CONV(x, w, **attrs), [Spec(shape_x, F32), Spec(shape_w, F32)])


@pytest.mark.parametrize(
    ("shape_x", "shape_w", "changes", "words"),
    [
        ((1, 3, 5, 5), (4, 2, 3, 3), {}, r"given groups=1, a weight of shape \[4, 2, 3, 3\]"),
        ((1, 4, 5, 5), (3, 2, 3, 3), {"groups": 2}, "a multiple of groups"),
        ((1, 2, 2, 5), (4, 2, 3, 3), {}, "can't be larger than the padded input"),
        ((1, 2, 5, 5), (4, 2, 3, 3), {"padding": ((0, -1), (0, 0))}, "negative padding"),
        ((1, 2, 5, 5), (4, 2, 3, 3), {"strides": (0, 1)}, "must be positive"),
        ((1, 2, 5, 5), (4, 2, 3, 3), {"strides": (1,)}, "one entry per axis"),
        ((2, 5), (4, 2), {}, r"received shapes \[2, 5\] and \[4, 2\]"),
        ((1, 2, 5, 5), (4, 2, 3), {}, "1 to 3 spatial axes"),
    ],
)
def test_errors(shape_x: Any, shape_w: Any, changes: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=f"conv: .*{words}|{words}"):
        conv_2d(shape_x, shape_w, **changes)


def test_operands_must_have_one_dtype() -> None:
    attrs = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
    with pytest.raises(DTypeError, match="received float32, float64"):
        trace(
            lambda x, w: CONV(x, w, **attrs),
            [Spec((1, 2, 5), F32), Spec((4, 2, 3), dtypes.float64)],
        )


def test_gradients_refuse_extents_that_do_not_belong() -> None:
    attrs = {"strides": (2,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
    specs = [Spec((1, 4, 3), F32), Spec((4, 2, 3), F32)]
    for spatial in ((7,), (8,)):  # both give three places
        trace(lambda g, w, s=spatial: CONV_INPUT_GRAD(g, w, spatial=s, **attrs), specs)
    with pytest.raises(ShapeError, match=r"extents \[9\] give a result of extents \[4\]"):
        trace(lambda g, w: CONV_INPUT_GRAD(g, w, spatial=(9,), **attrs), specs)
    with pytest.raises(ShapeError, match="differ in batch size"):
        trace(
            lambda x, g: CONV_WEIGHT_GRAD(x, g, kernel=(3,), **attrs),
            [Spec((2, 2, 7), F32), Spec((1, 4, 3), F32)],
        )


def test_transposed_convolution_errors() -> None:
    def transposed(**changes: Any) -> None:
        attrs = {
            "strides": (2,),
            "padding": (0,),
            "output_padding": (0,),
            "dilation": (1,),
            "groups": 1,
        }
        attrs.update(changes)
        trace(
            lambda x, w: conv_transpose(x, w, **attrs),
            [Spec((1, 4, 3), F32), Spec((4, 2, 3), F32)],
        )

    transposed(output_padding=(1,))
    with pytest.raises(ShapeError, match="output_padding must be smaller"):
        transposed(output_padding=(2,))
    with pytest.raises(ShapeError, match="without elements"):
        transposed(padding=(4,))

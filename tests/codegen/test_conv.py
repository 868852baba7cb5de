"""Channels-last convolution and its transposes as kernels, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.codegen.access import Access, Epilogue
from plait.core.compiler.lower import conv as lower
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.graph import Instruction, trace
from plait.core.ir.node import Spec
from plait.core.ir.op import op_by_name
from plait.core.llvm.target import target
from plait.core.ops import activation, conv_nhwc, elementwise  # noqa: F401  # defines the records
from tests.codegen.harness import run_op
from tests.ops.one_op import samples_of
from tests.ops.tolerance import assert_close

LOWERED = {
    "conv": lower.lower_conv,
    "conv_input_grad": lower.lower_conv_input_grad,
    "conv_weight_grad": lower.lower_conv_weight_grad,
    "conv_nhwc": lower.lower_conv_nhwc,
    "conv_nhwc_input_grad": lower.lower_conv_nhwc_input_grad,
    "conv_nhwc_weight_grad": lower.lower_conv_nhwc_weight_grad,
}
ISAS = ("avx512", "avx2")


def expected(name: str, arrays: Any, attrs: dict[str, Any]) -> np.ndarray:
    """The reference in float64."""
    reference = op_by_name(name).reference
    assert reference is not None
    return reference(*[a.astype(np.float64) for a in arrays], **attrs)


def check(name: str, arrays: Any, attrs: dict[str, Any], isa: str) -> None:
    dtypes = [dtype_of(a.dtype) for a in arrays]
    (result,) = run_op(LOWERED[name], op_by_name(name), arrays, dtypes, attrs, isa)
    assert_close(result, expected(name, arrays, attrs), f"{name} {isa} {attrs}")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("name", LOWERED)
def test_samples_of_the_record(name: str, dtype: str, isa: str) -> None:
    for sample in samples_of(name, BY_NAME[dtype]):
        if sample.inputs[0].ndim == 5:
            continue  # three spatial axes run on the reference
        check(name, sample.inputs, sample.attrs, isa)


def window(
    strides: tuple[int, int], padding: Any, dilation: tuple[int, int] = (1, 1), groups: int = 1
) -> dict[str, Any]:
    return {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}


SAME, NONE = ((1, 1), (1, 1)), ((0, 0), (0, 0))
# (x as (N, H, W, C), outputs, kernel, window)
SHAPES = [
    ((2, 9, 11, 1), 17, (3, 3), window((1, 1), NONE)),
    ((1, 17, 9, 3), 63, (3, 3), window((1, 1), SAME)),
    ((3, 5, 4, 17), 127, (3, 3), window((2, 2), SAME)),
    ((2, 7, 7, 63), 3, (1, 1), window((1, 1), NONE)),
    ((5, 4, 4, 127), 33, (3, 3), window((1, 1), SAME)),  # tiles over several images
    ((7, 1, 1, 40), 24, (3, 3), window((1, 1), SAME)),  # most kernel rows meet padding alone
    ((1, 40, 33, 5), 9, (7, 5), window((2, 3), ((3, 2), (2, 4)))),
    ((2, 12, 13, 16), 32, (3, 3), window((1, 1), ((2, 2), (2, 2)), (2, 2))),
    ((2, 6, 6, 24), 36, (3, 3), window((1, 2), SAME, (1, 1), 3)),
    ((2, 8, 9, 67), 67, (3, 3), window((2, 1), SAME, (1, 1), 67)),  # depthwise
    ((1, 20, 21, 8), 8, (7, 7), window((1, 1), ((3, 3), (3, 3)), (1, 1), 8)),
    ((1, 5, 5, 4), 4, (2, 2), window((3, 3), NONE)),  # inputs that no window reads
    ((4, 6, 3, 5), 4, (1, 1), window((1, 1), ((4, 1), (3, 1)))),  # results of padding alone
    ((3, 3, 3, 24), 16, (1, 3), window((1, 3), ((3, 0), (1, 1)))),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("shape", "outputs", "kernel", "attrs"), SHAPES)
def test_odd_shapes(shape: Any, outputs: int, kernel: Any, attrs: Any, isa: str) -> None:
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape).astype(np.float32)
    w = rng.normal(size=(outputs, shape[3] // attrs["groups"], *kernel)).astype(np.float32)
    check("conv_nhwc", (x, w), attrs, isa)
    extents = expected("conv_nhwc", (x, w), attrs).shape[1:3]
    g = rng.normal(size=(shape[0], *extents, outputs)).astype(np.float32)
    check("conv_nhwc_input_grad", (g, w), {"spatial": shape[1:3], **attrs}, isa)
    check("conv_nhwc_weight_grad", (x, g), {"kernel": kernel, **attrs}, isa)


def test_batch_size_needs_no_other_kernel() -> None:
    """Batches that fill tiles of several images run on the same code."""
    keys = []
    for samples in (8, 24):
        plan = Plan(target())
        x = Buffer((samples, 14, 14, 32), BY_NAME["float32"], "input")
        w = Buffer((64, 32, 3, 3), BY_NAME["float32"], "input")
        y = Buffer((samples, 14, 14, 64), BY_NAME["float32"], "output")
        attrs = window((1, 1), SAME)
        made = Instruction(op_by_name("conv_nhwc"), (0, 1), attrs, y.shape, y.dtype, None)
        assert lower.lower_conv_nhwc(made, [x, w], [y], plan)
        keys.append([launch.kernel for launch in plan.steps])
    assert keys[0] == keys[1]


EPILOGUES = [
    ((2, 7, 9, 5), 19, (3, 3), window((1, 1), SAME)),
    ((3, 5, 5, 40), 64, (1, 1), window((1, 1), NONE)),
    ((2, 6, 6, 17), 17, (3, 3), window((1, 1), SAME, (1, 1), 17)),
    ((1, 3, 3, 4), 1, (1, 1), window((1, 1), NONE)),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("shape", "outputs", "kernel", "attrs"), EPILOGUES)
def test_epilogue(shape: Any, outputs: int, kernel: Any, attrs: Any, dtype: str, isa: str) -> None:
    """Bias, residual and relu in registers, with what went into the relu as a second result."""
    op, kind = op_by_name("conv_nhwc"), BY_NAME[dtype]
    add, relu = op_by_name("add"), op_by_name("relu")
    scalar = Spec((), kind)
    graph = trace(
        lambda y, b, r: (add(add(y, b), r), relu(add(add(y, b), r))), [scalar, scalar, scalar]
    )
    rng = np.random.default_rng(sum(shape))

    def values(*extents: int) -> np.ndarray:
        return rng.normal(size=extents).astype(kind.numpy)

    x, w = values(*shape), values(outputs, shape[3] // attrs["groups"], *kernel)
    y = expected("conv_nhwc", (x, w), attrs)
    bias, residual = values(outputs), values(*y.shape)
    whole = Access((y[0].size, y[0, 0].size, outputs, 1))
    epilogue = Epilogue(graph, (Access((0, 0, 0, 1)), whole), (whole, whole))
    buffers = [Buffer(y.shape, kind, "output") for _ in range(2)]
    before, after = run_op(
        lower.lower_conv_nhwc, op, [x, w], [kind] * 4, attrs, isa, epilogue, [bias, residual],
        buffers,
    )  # fmt: skip
    wanted = y + bias.astype(np.float64) + residual.astype(np.float64)
    # Three roundings to the dtype at most, of values below 64.
    atol = 3 * 64 * (2.0**-8 if kind.is_half else 2.0**-20)
    np.testing.assert_allclose(before.astype(np.float64), wanted, rtol=0, atol=atol)
    np.testing.assert_array_equal(after, np.maximum(before, 0))

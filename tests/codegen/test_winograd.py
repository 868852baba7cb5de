"""Winograd's convolutions: their matrices, which shapes go that way, and what comes out."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from plait.core.codegen.winograd_math import TAPS, transforms
from plait.core.compiler.lower import conv as lower
from plait.core.compiler.lower import winograd as lower_winograd
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.graph import Instruction
from plait.core.ir.op import op_by_name
from plait.core.llvm.target import target
from plait.core.ops import conv_nhwc  # noqa: F401  # defines the records
from tests.codegen.harness import run_op

ISAS = ("avx512", "avx2")
SAME, NONE, MORE = ((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 0), (1, 3))
#: (x as (N, H, W, C), outputs, padding): even and ragged tiles, results smaller than a tile, one
#: block and several with a rest, panels of one, two and four vectors.
SHAPES = [
    ((2, 8, 8, 16), 16, SAME),
    ((1, 9, 11, 32), 48, SAME),
    ((3, 7, 6, 48), 32, NONE),
    ((2, 3, 3, 16), 64, NONE),  # one result
    ((1, 5, 13, 16), 64, MORE),
    ((5, 14, 15, 16), 32, SAME),
    ((2, 1, 1, 32), 32, SAME),  # an image of one pixel
]


@pytest.mark.parametrize("m", [2, 4])
def test_the_matrices_make_a_correlation(m: int) -> None:
    """Exactly, for products of all unit vectors, hence for all."""
    result, weight, source = [np.array(part, dtype=object) for part in transforms(m)]
    for tap in range(TAPS):
        for place in range(m + TAPS - 1):
            g = np.array([Fraction(int(i == tap)) for i in range(TAPS)], dtype=object)
            d = np.array([Fraction(int(i == place)) for i in range(m + TAPS - 1)], dtype=object)
            found = result @ ((weight @ g) * (source @ d))
            assert list(found) == [int(i + tap == place) for i in range(m)]


def _attrs(padding: Any) -> dict[str, Any]:
    return {"strides": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1}


def _steps(name: str, shapes: Any, result: Any, attrs: Any, isa: str = "") -> list[str]:
    """The kinds of the kernels that an op of float32 operands is lowered to."""
    plan = Plan(target(isa))
    float32 = BY_NAME["float32"]
    inputs = [Buffer(shape, float32, "input") for shape in shapes]
    made = Instruction(op_by_name(name), (0, 1), attrs, result, float32, None)
    lowered = lower.LOWERINGS[name](made, inputs, [Buffer(result, float32, "output")], plan)
    assert lowered
    return [step.kernel.kind for step in plan.steps]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize(("shape", "outputs", "padding"), SHAPES)
def test_results_and_gradients(
    shape: Any, outputs: int, padding: Any, m: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the reference in float64. 32 steps of the largest value: the sum of 9 x 48 products
    in any order is good to a few, and the transforms of F(4 x 4) magnify that threefold."""
    monkeypatch.setattr(lower_winograd, "_measure", lambda *_: m)
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape).astype(np.float32)
    w = rng.normal(size=(outputs, shape[3], 3, 3)).astype(np.float32)
    attrs = _attrs(padding)
    extents = [n + sum(p) - 2 for n, p in zip(shape[1:3], padding)]
    g = rng.normal(size=(shape[0], *extents, outputs)).astype(np.float32)
    for name, arrays, own in (
        ("conv_nhwc", (x, w), attrs),
        ("conv_nhwc_input_grad", (g, w), {"spatial": shape[1:3], **attrs}),
    ):
        op = op_by_name(name)
        dtypes = [dtype_of(a.dtype) for a in arrays]
        (found,) = run_op(lower.LOWERINGS[name], op, arrays, dtypes, own, isa)
        reference = op.reference
        assert reference is not None
        wanted = reference(*[a.astype(np.float64) for a in arrays], **own)
        assert found.shape == wanted.shape
        error = np.abs(found - wanted).max() / np.abs(wanted).max()
        assert error < 32 * 2.0**-23, (name, error)
        kinds = _steps(name, [a.shape for a in arrays], wanted.shape, own, isa)
        assert kinds[-2:] == ["winograd_weight", "winograd"]


def test_errors_are_near_those_of_the_sum_of_products() -> None:
    """256 channels: F(4 x 4) is within four times the error of the direct kernel, F(2 x 2) within
    it (fewer products are added up)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 8, 8, 256)).astype(np.float32)
    w = rng.normal(size=(64, 256, 3, 3)).astype(np.float32)
    op = op_by_name("conv_nhwc")
    assert op.reference is not None
    wanted = op.reference(x.astype(np.float64), w.astype(np.float64), **_attrs(SAME))
    errors = {}
    with pytest.MonkeyPatch.context() as patch:
        for m in (None, 2, 4):
            patch.setattr(lower_winograd, "_measure", lambda *_, m=m: m)
            dtypes = [BY_NAME["float32"]] * 2
            (found,) = run_op(lower.lower_conv_nhwc, op, (x, w), dtypes, _attrs(SAME), "")
            errors[m] = float(np.sqrt(np.mean((found - wanted) ** 2)))
    assert errors[2] < errors[None]
    assert errors[4] < 4 * errors[None]


def test_which_shapes_go_that_way() -> None:
    def kinds(n: int, extent: int, channels: int, outputs: int, isa: str = "") -> list[str]:
        return _steps(
            "conv_nhwc",
            [(n, extent, extent, channels), (outputs, channels, 3, 3)],
            (n, extent, extent, outputs),
            _attrs(SAME),
            isa,
        )

    for isa in ISAS:
        assert "winograd" in kinds(32, 32, 64, 64, isa)
        assert "winograd" in kinds(8, 16, 128, 128, isa)
    assert "winograd" not in kinds(1, 7, 512, 512)  # the weight is most of the work
    assert "winograd" not in kinds(32, 32, 3, 64)  # no whole vector of channels
    assert "winograd" not in kinds(32, 32, 64, 10)
    strided = {**_attrs(SAME), "strides": (2, 2)}
    shapes = [(8, 32, 32, 64), (64, 64, 3, 3)]
    assert "winograd" not in _steps("conv_nhwc", shapes, (8, 16, 16, 64), strided)
    assert "winograd" not in _steps(
        "conv_nhwc", shapes, (8, 28, 28, 64), {**_attrs(NONE), "dilation": (2, 2)}
    )


def test_batch_size_changes_only_numbers() -> None:
    """Blocks are sized by the batch; their kernels are few."""
    names = set()
    for samples in (32, 64, 128):
        plan = Plan(target())
        float32 = BY_NAME["float32"]
        x = Buffer((samples, 32, 32, 64), float32, "input")
        w = Buffer((64, 64, 3, 3), float32, "input")
        y = Buffer((samples, 32, 32, 64), float32, "output")
        made = Instruction(op_by_name("conv_nhwc"), (0, 1), _attrs(SAME), y.shape, float32, None)
        assert lower.lower_conv_nhwc(made, [x, w], [y], plan)
        names |= {step.kernel.symbol(plan.target) for step in plan.steps}
    assert sum(bool(re.match("plait_winograd_[0-9a-f]", name)) for name in names) == 1

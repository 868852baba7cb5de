"""Pooling kernels against the reference, which they agree with to the bit in what they choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower.window import LOWERINGS
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.op import op_by_name
from plait.core.ops import pool_nhwc, window  # noqa: F401  # defines the records
from tests.codegen.harness import run_op
from tests.ops.one_op import samples_of
from tests.ops.tolerance import assert_close

ISAS = ("avx512", "avx2")
DTYPES = ("float32", "float64", "bfloat16", "int8", "uint8", "int64")


def check(name: str, arrays: Any, attrs: dict[str, Any], isa: str) -> None:
    op = op_by_name(name)
    dtypes = [dtype_of(a.dtype) for a in arrays]
    results = run_op(LOWERINGS[name], op, arrays, dtypes, attrs, isa)
    wide = [a.astype(np.float64) if dtype_of(a.dtype).kind == "f" else a for a in arrays]
    assert op.reference is not None
    wanted = op.reference(*wide, **attrs)
    for result, expected in zip(results, wanted if isinstance(wanted, tuple) else (wanted,)):
        assert_close(result, expected, f"{name} {isa} {attrs}")


def is_lowered(name: str, sample: Any) -> bool:
    """All but three spatial axes, and sums of 16-bit floats at repeated positions."""
    attrs = sample.attrs
    rank = attrs.get("rank") or len(attrs.get("window") or attrs["spatial"])
    if name == "pool_scatter":
        return not dtype_of(sample.inputs[0].dtype).is_half
    return rank <= 2 or name == "pool_gather"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOWERINGS)
def test_samples_of_the_record(name: str, dtype: str, isa: str) -> None:
    for sample in samples_of(name, BY_NAME[dtype]):
        if is_lowered(name, sample):
            check(name, sample.inputs, sample.attrs, isa)


WINDOWS = [
    {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)},
    {"window": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)},
    {"window": (3, 2), "strides": (1, 3), "padding": ((1, 0), (0, 1)), "dilation": (2, 1)},
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 3, 16, 17, 63, 127])
def test_channels_that_do_not_fill_the_lanes(channels: int, isa: str) -> None:
    rng = np.random.default_rng(channels)
    for attrs in WINDOWS:
        x = rng.integers(-3, 4, (2, 7, 9, channels)).astype(np.float32)
        check("max_pool_nhwc", [x], attrs, isa)
        reference = op_by_name("max_pool_nhwc").reference
        assert reference is not None
        y, places = reference(x, **attrs)
        g = rng.normal(size=y.shape).astype(np.float32)
        check("max_pool_nhwc_grad", [g, places], {"spatial": (7, 9), **attrs}, isa)
        check("max_pool_nhwc_pick", [x, places], attrs, isa)
        check("window_sum_nhwc", [x], attrs, isa)
        check("window_sum_nhwc_grad", [g], {"spatial": (7, 9), **attrs}, isa)

"""Channels-last convolution and its transposes as kernels, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower import conv as lower
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.op import op_by_name
from plait.core.ops import conv_nhwc  # noqa: F401  # defines the records
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

"""Attention kernels against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower.attention import lower_attention
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ops.attention import ATTENTION
from tests.codegen.attention_cases import (
    ISAS,
    MASKS,
    SHAPES,
    check,
    masked_operands,
    operands,
    wide,
)
from tests.codegen.harness import run_op


def run(arrays: list[np.ndarray], kinds: list[DType], attrs: dict, isa: str, dtype: DType) -> None:
    results = run_op(lower_attention, ATTENTION, arrays, kinds, attrs, isa)
    with np.errstate(all="ignore"):
        expected = ATTENTION.reference(*[wide(x) for x in arrays], **attrs)  # type: ignore[misc]  # it has one
    check(results, expected, dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_attention(shape: Any, causal: bool, isa: str) -> None:
    attrs = {"scale": 0.6 / max(1, shape[3]) ** 0.5, "causal": causal}
    run(operands(shape, dtypes.float32), [dtypes.float32] * 3, attrs, isa, dtypes.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [dtypes.float64, dtypes.bfloat16, dtypes.float16], ids=str)
def test_dtypes(dtype: DType, isa: str) -> None:
    for shape in SHAPES[1:3]:
        attrs = {"scale": 0.25, "causal": shape[1] > 64}
        run(operands(shape, dtype), [dtype] * 3, attrs, isa, dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("shape", MASKS, ids=str)
def test_masks(shape: Any, added: bool, isa: str) -> None:
    arrays, kinds = masked_operands(shape, added)
    attrs = {"scale": 0.3, "causal": added}
    run(arrays, kinds, attrs, isa, dtypes.float32)


@pytest.mark.parametrize("isa", ISAS)
def test_large_scores_do_not_overflow(isa: str) -> None:
    q, k, v = operands(((2,), 5, 70, 8, 3), dtypes.float64)
    arrays, kinds = [q * 1e4, k * 1e4, v], [dtypes.float64] * 3
    results = run_op(
        lower_attention, ATTENTION, arrays, kinds, {"scale": 1.0, "causal": False}, isa
    )
    # Scores of 1e9 are 1e9 roundoffs off; the largest of them takes all the weight.
    best = (arrays[0] @ arrays[1].swapaxes(-1, -2)).argmax(-1)
    taken = np.take_along_axis(v, best[..., None], axis=1)
    np.testing.assert_allclose(results[0], taken, atol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("causal", [False, True])
def test_nan_stays_in_its_row(causal: bool, isa: str) -> None:
    q, k, v = operands(((1,), 20, 70, 8, 3), dtypes.float32)
    q[0, 7, 2] = np.nan
    attrs = {"scale": 1.0, "causal": causal}
    results = run_op(lower_attention, ATTENTION, [q, k, v], [dtypes.float32] * 3, attrs, isa)
    for result in results:
        bad = np.isnan(result[0]).any(-1)
        assert bad.tolist() == [row == 7 for row in range(20)]

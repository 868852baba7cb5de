"""Kernels of the backward pass of attention against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower import attention as lowering
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ops.attention import ATTENTION, ATTENTION_GRAD
from plait.core.ops.rows import wide_of
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

DEALS = ("heads", "blocks")


def run(
    arrays: list[np.ndarray], kinds: list[DType], attrs: dict, isa: str, deal: str, monkeypatch: Any
) -> None:
    """Both passes of the reference in float64, and the kernels."""
    monkeypatch.setattr(lowering, "_ENOUGH_HEADS", 0 if deal == "heads" else 1 << 30)
    q, k, v, *mask = arrays
    dtype = kinds[0]
    rng = np.random.default_rng(7)
    g = rng.normal(size=(*q.shape[:-1], v.shape[-1])).astype(dtype.numpy)
    with np.errstate(all="ignore"):
        y, lse = ATTENTION.reference(*[wide(x) for x in arrays], **attrs)  # type: ignore[misc]  # it has one
        delta = (wide(g) * y).sum(-1, keepdims=True)
        delta, lse = [x.astype(wide_of(dtype).numpy) for x in (delta, lse)]
        given = [g, q, k, v, delta, lse, *mask]
        expected = ATTENTION_GRAD.reference(*[wide(x) for x in given], **attrs)  # type: ignore[misc]  # it has one
    dtypes_given = [dtype] * 4 + [wide_of(dtype)] * 2 + kinds[3:]
    lower = lowering.lower_attention_grad
    check(run_op(lower, ATTENTION_GRAD, given, dtypes_given, attrs, isa), expected, dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("deal", DEALS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients(shape: Any, causal: bool, deal: str, isa: str, monkeypatch: Any) -> None:
    attrs = {"scale": 0.6 / max(1, shape[3]) ** 0.5, "causal": causal}
    arrays, kinds = operands(shape, dtypes.float32), [dtypes.float32] * 3
    run(arrays, kinds, attrs, isa, deal, monkeypatch)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("deal", DEALS)
@pytest.mark.parametrize("dtype", [dtypes.float64, dtypes.bfloat16, dtypes.float16], ids=str)
def test_dtypes(dtype: DType, deal: str, isa: str, monkeypatch: Any) -> None:
    for shape in SHAPES[1:3]:
        attrs = {"scale": 0.25, "causal": shape[1] > 64}
        run(operands(shape, dtype), [dtype] * 3, attrs, isa, deal, monkeypatch)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("shape", MASKS, ids=str)
def test_masks(shape: Any, added: bool, isa: str, monkeypatch: Any) -> None:
    arrays, kinds = masked_operands(shape, added)
    attrs = {"scale": 0.3, "causal": added}
    run(arrays, kinds, attrs, isa, "heads" if added else "blocks", monkeypatch)

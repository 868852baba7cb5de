"""Sorting kernels: values and positions of the reference, equal ones and nan included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower.sort import LOWERINGS
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.op import op_by_name
from plait.core.ops import sort  # noqa: F401  # defines the records
from plait.core.reference.executor import evaluate
from tests.codegen.harness import run_op
from tests.ops.one_op import samples_of

ISAS = ("avx512", "avx2")


def check(name: str, x: np.ndarray, attrs: dict[str, Any], isa: str) -> None:
    op = op_by_name(name)
    dtype = dtype_of(x.dtype)
    results = run_op(LOWERINGS[name], op, (x,), (dtype,), attrs, isa)
    _, kinds = op.infer(*[type("", (), {"shape": x.shape, "dtype": dtype})], **attrs)
    for result, expected in zip(results, evaluate(op, [x], attrs, kinds)):
        assert result.tobytes() == np.ascontiguousarray(expected).tobytes(), f"{name} {attrs}"


def attrs_of(name: str, axis: int, extent: int, most: bool) -> list[dict[str, Any]]:
    if name == "sort":
        return [{"axis": axis, "descending": most, "stable": True}]
    return [{"axis": axis, "k": min(k, extent), "largest": most} for k in (0, 1, 5)]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", LOWERINGS)
def test_samples_of_the_record(name: str, dtype: str) -> None:
    for sample in samples_of(name, BY_NAME[dtype]):
        check(name, sample.inputs[0], sample.attrs, "avx512")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("name", LOWERINGS)
def test_lines_with_equals(name: str, dtype: str, isa: str) -> None:
    rng = np.random.default_rng(0)
    for extent in (0, 1, 3, 17, 63, 64, 65, 127, 1000):
        x = (100 * rng.standard_normal((2, extent, 3))).astype("i1").astype(BY_NAME[dtype].numpy)
        if BY_NAME[dtype].kind == "f" and extent > 3:
            x[:, 1::5] = np.nan
            x[:, 2::5] = -0.0
            x[:, 3] = -np.inf
            x[1] /= 100
        for most in (False, True):
            for attrs in attrs_of(name, 1, extent, most):
                check(name, x, attrs, isa)
            for attrs in attrs_of(name, 0, extent, most):
                check(name, x[0].T.reshape(-1)[:extent], attrs, isa)

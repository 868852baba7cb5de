"""Scans against the reference: bits where it adds in the same order and precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower.cumulative import LOWERINGS
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.node import Spec
from plait.core.ir.op import op_by_name
from plait.core.ops import scan  # noqa: F401  # defines the records
from plait.core.reference.executor import evaluate
from tests.codegen.harness import run_op
from tests.ops.one_op import samples_of

ISAS = ("avx512", "avx2")
ATTRS: dict[str, dict[str, Any]] = {
    "cumsum": {"reverse": True},
    "linear_recurrence": {"reverse": True},
}
#: Those of floats only.
OF_FLOATS = ("logcumsumexp", "linear_recurrence")


def check(name: str, given: tuple[np.ndarray, ...], attrs: dict[str, Any], isa: str) -> None:
    op = op_by_name(name)
    x, dtype = given[0], dtype_of(given[0].dtype)
    results = run_op(LOWERINGS[name], op, given, (dtype,) * len(given), attrs, isa)
    _, kinds = op.infer(*[Spec(x.shape, dtype)] * len(given), **attrs)
    expected = evaluate(op, list(given), attrs, kinds)
    for result, wanted in zip(results, expected if isinstance(expected, tuple) else (expected,)):
        if name == "logcumsumexp":
            # One rounding a step in the reference, of values of this size; ours carries doubles.
            lines = np.asarray(wanted, "f8")
            scale = np.abs(lines[np.isfinite(lines)]).max(initial=1.0)
            eps = np.finfo("f8" if dtype.itemsize == 8 else "f4").eps
            bound = 4 * (1 + x.shape[attrs["axis"]]) * eps * scale
            bound = bound if not dtype.is_half else 2.0**-7 * scale
            assert np.allclose(np.asarray(result, "f8"), lines, 0, bound, equal_nan=True)
        else:
            assert np.array_equal(result, wanted, equal_nan=dtype.kind == "f")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", LOWERINGS)
def test_samples_of_the_record(name: str, dtype: str, isa: str) -> None:
    if BY_NAME[dtype].kind == "f" or name not in OF_FLOATS:
        for sample in samples_of(name, BY_NAME[dtype]):
            check(name, sample.inputs, sample.attrs, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("name", LOWERINGS)
def test_odd_extents(name: str, dtype: str, isa: str) -> None:
    if dtype == "int32" and name in OF_FLOATS:
        return
    rng = np.random.default_rng(0)
    for shape in ((0, 3), (1, 1), (3, 17), (2, 63, 33), (5, 127)):
        x = (3 * rng.standard_normal(shape)).astype(dtype)
        if dtype != "int32" and name != "cumprod" and x.size > 100:
            x.flat[37] = np.nan
            x.flat[2] = -np.inf
        given: tuple[np.ndarray, ...] = (x,)
        if name == "linear_recurrence":
            given = (x, np.roll(x, 1))
            given[1].reshape(-1)[:1] = np.nan  # is not read, along any axis
        for axis in range(len(shape)):
            check(name, given, {"axis": axis, **ATTRS.get(name, {})}, isa)

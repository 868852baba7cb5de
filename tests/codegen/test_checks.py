"""Checks of values: a fault code where the record's check raises, and nowhere else."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower.checks import LOWERINGS, lower_check
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.graph import Instruction
from plait.core.ir.node import Spec
from plait.core.ir.op import Op, op_by_name
from plait.core.llvm.target import target
from plait.core.ops import bounds, index, loss, window  # noqa: F401  # define the records
from tests.codegen.harness import run_op, run_plan

ISAS = ("avx512", "avx2")
SIZES = (1, 3, 17, 127, 20_000)


def fails(op: Op, arrays: Any, attrs: dict[str, Any]) -> bool:
    """Whether the record's own check refuses these values."""
    try:
        op.check(*arrays, **attrs)  # type: ignore[misc]  # ops here have a check
    except (IndexError, ValueError, ZeroDivisionError, RuntimeError):
        return True
    return False


def check(name: str, values: np.ndarray, attrs: dict[str, Any], isa: str) -> None:
    op = op_by_name(name)
    bad = fails(op, (values,), attrs)
    with pytest.raises(AssertionError, match="fault 1") if bad else contextlib.nullcontext():
        (result,) = run_op(LOWERINGS[name], op, (values,), [dtype_of(values.dtype)], attrs, isa)
        expected = op.reference(values, **attrs)  # type: ignore[misc]  # as are references
        assert result.dtype == expected.dtype
        assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_indices(dtype: str, isa: str) -> None:
    rng = np.random.default_rng(0)
    attrs = {"size": 100, "what": "axis 0"}
    low = 0 if dtype == "uint8" else -100
    for size in SIZES:
        values = rng.integers(low, 100, size).astype(dtype)
        check("check_index", values, attrs, isa)
        for bad in (100, 127, low - 1, low - 28):
            if bad >= low or low:
                values[rng.integers(size)] = bad
                check("check_index", values, attrs, isa)
                values[:] = 1
    check("check_index", np.zeros((0, 3), dtype), {"size": 0, "what": "axis 0"}, isa)


@pytest.mark.parametrize("isa", ISAS)
def test_labels_and_positions(isa: str) -> None:
    rng = np.random.default_rng(0)
    for size in SIZES:
        values = rng.integers(0, 10, size)
        check("check_pool_index", values, {"spatial": (2, 5)}, isa)
        values[0] = -100
        check("check_label", values, {"classes": 10, "ignore": -100}, isa)
        check("check_pool_index", values, {"spatial": (2, 5)}, isa)
        values[-1] = 10
        check("check_label", values, {"classes": 10, "ignore": -100}, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["int8", "int32", "bfloat16", "float32", "float64"])
def test_ranges(dtype: str, isa: str) -> None:
    kind = BY_NAME[dtype].numpy
    for low, high in ((0, 1), (-0.5, 1.5), (-np.inf, 1), (0.1, np.inf)):
        attrs = {"low": low, "high": high, "fault": "ValueError", "message": "no"}
        for value in (-1, 0, 1, 2, 0.1, np.nan):
            if BY_NAME[dtype].kind == "f" or value == int(np.nan_to_num(value)):
                values = np.full(33, 1).astype(kind)
                values[17] = np.nan_to_num(value) if BY_NAME[dtype].kind != "f" else value
                check("check_range", values, attrs, isa)


def test_divisors() -> None:
    for name in ("floor_div", "remainder", "fmod", "trunc_div"):
        op = op_by_name(name)
        for dtype in ("int8", "uint8", "int32", "int64", "float32"):
            for bad in (False, True):
                values = np.ones((5, 7), dtype)
                values[2, 3] = 0 if bad else 2
                buffers = [Buffer((5, 7), BY_NAME[dtype], "input") for _ in range(2)]
                specs = [Spec(b.shape, b.dtype) for b in buffers]
                shape, kind = op.infer(*specs)
                made = Instruction(op, (0, 1), {}, shape, kind, None)
                plan = Plan(target())
                assert lower_check(made, buffers, plan)
                faulty = bad and dtype != "float32"
                with (
                    pytest.raises(AssertionError, match="fault 1")
                    if faulty
                    else (contextlib.nullcontext())
                ):
                    run_plan(plan, {id(b): values for b in buffers}, [])
    assert not lower_check(
        Instruction(op_by_name("add"), (), {}, (), None, None), [], Plan(target())
    )

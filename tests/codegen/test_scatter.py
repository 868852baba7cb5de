"""Writing at computed places: duplicates in the order of the reference, so equal to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.lower import scatter as lowering
from plait.core.compiler.lower.scatter import LOWERINGS
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.graph import Instruction
from plait.core.ir.op import op_by_name
from plait.core.llvm.target import target
from plait.core.ops import index  # noqa: F401  # defines the records
from plait.core.ops.index import ADD_AT
from plait.core.reference.executor import evaluate
from tests.codegen.harness import run_op, run_plan
from tests.ops.one_op import samples_of

ISAS = ("avx512", "avx2")


def check(name: str, arrays: Any, attrs: dict[str, Any], isa: str) -> None:
    op = op_by_name(name)
    types = [dtype_of(a.dtype) for a in arrays]
    (result,) = run_op(LOWERINGS[name], op, arrays, types, attrs, isa)
    expected = np.ascontiguousarray(evaluate(op, list(arrays), attrs, types[0]))
    assert result.shape == expected.shape
    assert result.tobytes() == expected.tobytes(), f"{name} {isa} {attrs}"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "bfloat16", "float16", "float32"])
@pytest.mark.parametrize("name", LOWERINGS)
def test_samples_of_the_record(name: str, dtype: str, isa: str) -> None:
    if name == "scatter_reduce" and dtype == "bool":
        return
    for sample in samples_of(name, BY_NAME[dtype]):
        if sample.inputs[1].shape or not name.startswith("scatter"):
            check(name, sample.inputs, sample.attrs, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["add_at", "put_at"])
@pytest.mark.parametrize("width", [0, 1, 3, 17, 63, 127, 600])
def test_rows_with_many_duplicates(width: int, name: str, isa: str) -> None:
    rng = np.random.default_rng(width)
    base = rng.standard_normal((37, width)).astype("f4")
    places = rng.integers(0, 37, 1003)
    src = rng.standard_normal((1003, width)).astype("f4")
    check(name, (base, places, src), {"axis": 0}, isa)
    other = rng.standard_normal((3, 37, width))
    few = rng.integers(0, 37, (2, 3))
    check(name, (other, few, rng.standard_normal((3, 2, 3, width))), {"axis": 1}, isa)


@pytest.mark.parametrize("mode", ["set", "add", "mul", "max", "min"])
@pytest.mark.parametrize("shape", [(1,), (63,), (17, 5), (4, 33, 300), (2, 3, 4, 5)])
def test_elements(shape: tuple[int, ...], mode: str) -> None:
    rng = np.random.default_rng(0)
    name = "scatter" if mode in ("set", "add") else "scatter_reduce"
    base = rng.standard_normal(tuple([n + 1 for n in shape])).astype("f4")
    base.flat[::7] = np.nan
    for axis in range(len(shape)):
        attrs = {"axis": axis, "mode": mode}
        for extents in (shape, base.shape):
            places = rng.integers(0, base.shape[axis], extents)
            src = rng.standard_normal(extents).astype("f4")
            check(name, (base, places, src), attrs, "avx512")


def plan_of(base: Buffer, result: Buffer, count: int) -> tuple[Plan, list[Buffer]]:
    plan = Plan(target())
    places = Buffer((count,), dtypes.int64, "input")
    src = Buffer((count, *base.shape[1:]), base.dtype, "input")
    made = Instruction(ADD_AT, (0, 1, 2), {"axis": 0}, base.shape, base.dtype, None)
    assert LOWERINGS["add_at"](made, [base, places, src], [result], plan)
    return plan, [places, src]


def test_a_table_in_place_and_one_of_zeros() -> None:
    rng = np.random.default_rng(1)
    table = rng.standard_normal((500, 24)).astype("f4")
    places, src = rng.integers(0, 500, 700), rng.standard_normal((700, 24)).astype("f4")
    shared = Buffer(table.shape, dtypes.float32, "input")
    plan, (at, of) = plan_of(shared, shared, 700)
    assert plan.steps[0].in_place == ((0, 0),)
    given = {id(shared): table, id(at): places, id(of): src}
    expected = evaluate(ADD_AT, [table, places, src], {"axis": 0}, dtypes.float32)
    assert run_plan(plan, given, [shared])[0].tobytes() == expected.tobytes()

    zeros = plan.constant(np.zeros_like(table), dtypes.float32)
    result = Buffer(table.shape, dtypes.float32, "output")
    plan, (at, of) = plan_of(zeros, result, 700)
    assert zeros not in plan.steps[0].inputs
    expected = evaluate(ADD_AT, [zeros.value, places, src], {"axis": 0}, dtypes.float32)
    got = run_plan(plan, {id(at): places, id(of): src}, [result])[0]
    assert got.tobytes() == expected.tobytes()
    assert not lowering.is_zeros(shared)

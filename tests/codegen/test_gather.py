"""Reading at computed places: to the bit what the reference reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.codegen import copies
from plait.core.codegen.gather import take_kernel
from plait.core.codegen.kernel import Launch
from plait.core.codegen.text import Function, module
from plait.core.compiler.lower.gather import LOWERINGS
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.graph import Instruction
from plait.core.ir.op import op_by_name
from plait.core.llvm.build import assembly
from plait.core.llvm.target import target
from plait.core.ops import index  # noqa: F401  # defines the records
from tests.codegen import harness
from tests.codegen.harness import run_op
from tests.ops.one_op import samples_of

ISAS = ("avx512", "avx2")


def check(name: str, arrays: Any, attrs: dict[str, Any], isa: str) -> None:
    op = op_by_name(name)
    kinds = [dtype_of(a.dtype) for a in arrays]
    (result,) = run_op(LOWERINGS[name], op, arrays, kinds, attrs, isa)
    assert op.reference is not None
    expected = op.reference(*arrays, **attrs)
    assert result.shape == expected.shape
    assert result.tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["bool", "bfloat16", "float32", "int64"])
@pytest.mark.parametrize("name", LOWERINGS)
def test_samples_of_the_record(name: str, dtype: str, isa: str) -> None:
    for sample in samples_of(name, BY_NAME[dtype]):
        if sample.inputs[1].shape or name == "take":
            check(name, sample.inputs, sample.attrs, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("width", [0, 1, 3, 16, 17, 63, 127, 1000])
def test_rows(width: int, isa: str) -> None:
    rng = np.random.default_rng(width)
    table = rng.standard_normal((37, width)).astype("f4")
    places = rng.integers(0, 37, (5, 9))
    check("take", (table, places), {"axis": 0}, isa)
    check(
        "take",
        (table[:, :, None], rng.integers(0, max(width, 1), 9 * bool(width))),
        {"axis": 1},
        isa,
    )
    check("take", (table.astype("c16"), places), {"axis": 0}, isa)


@pytest.mark.parametrize("shape", [(1,), (3,), (17, 5), (4, 63, 3), (2, 3, 4, 5)])
def test_elements_along_every_axis_of_a_smaller_index(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(tuple([n + 1 for n in shape]))
    for axis in range(len(shape)):
        places = rng.integers(0, x.shape[axis], shape)
        check("gather", (x, places), {"axis": axis}, "avx512")
        whole = rng.integers(0, x.shape[axis], x.shape)
        check("gather", (x, whole), {"axis": axis}, "avx2")


def test_kernels_that_ask_ahead_go_into_one_module() -> None:
    """Declarations of one intrinsic by several emitters must be the same text."""

    def emit(symbol: str) -> Function:
        f = Function(symbol)
        f.prefetch(f.argument(0))
        f.ret()
        return f

    on = target()
    text = module([take_kernel(256, True).emit("take", on), emit("other")], on.vector_bytes)
    assert "prefetch" in assembly(text, on)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shift", [0, 16])
def test_large_results_go_past_the_caches(
    shift: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.stream_from(1 << 10, shift, monkeypatch)
    random = np.random.default_rng(0)
    for width in (15, 16, 48, 128, 144):
        places = random.integers(0, 7, 33)
        x = np.arange(3 * 7 * width).reshape(3, 7, width).astype("f4")
        check("take", (x, places), {"axis": 1}, isa)
        check("take", (x[0], places), {"axis": 0}, isa)


def code_of_rows(width: int) -> str:
    """What takes 64 rows of float32."""
    op, kinds = op_by_name("take"), (dtypes.float32, dtypes.int64)
    plan = Plan(target("avx512"))
    inputs = [Buffer(s, k, "input") for s, k in zip(((7, width), (64,)), kinds, strict=True)]
    made = Instruction(op, (0, 1), {"axis": 0}, (64, width), kinds[0], None)
    assert LOWERINGS["take"](made, inputs, [Buffer(made.shape, kinds[0], "output")], plan)
    (step,) = plan.steps
    assert isinstance(step, Launch)
    return step.kernel.emit("k", plan.target).text()


def test_only_large_results_of_whole_lines_go_past(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nontemporal" not in code_of_rows(32)
    monkeypatch.setattr(copies, "STREAM_BYTES", 1 << 10)
    assert "nontemporal" in code_of_rows(32)
    assert "nontemporal" not in code_of_rows(31)

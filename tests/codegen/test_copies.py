"""Copies: every byte where the reference puts it, and no other byte touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.codegen import copies
from plait.core.codegen.access import Access, Guard
from plait.core.compiler.lower.copies import LOWERINGS, lower_copy
from plait.core.compiler.lower.gather import row_major
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME, dtype_of
from plait.core.ir.op import op_by_name
from plait.core.llvm.target import target
from plait.core.ops import view  # noqa: F401  # defines the records
from tests.codegen import harness
from tests.codegen.harness import run_op, run_plan
from tests.ops.one_op import samples_of

ISAS = ("avx512", "avx2")


def check(name: str, arrays: Any, attrs: dict[str, Any], isa: str = "avx512") -> None:
    op = op_by_name(name)
    kinds = [dtype_of(a.dtype) for a in arrays]
    (result,) = run_op(LOWERINGS[name], op, arrays, kinds, attrs, isa)
    assert op.reference is not None
    expected = op.reference(*arrays, **attrs)
    assert result.shape == expected.shape
    assert result.tobytes() == np.ascontiguousarray(expected).tobytes(), f"{name} {attrs}"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["bool", "bfloat16", "float32", "int64", "complex128"])
@pytest.mark.parametrize("name", sorted(set(LOWERINGS) - {"bitcast"}))
def test_samples_of_the_record(name: str, dtype: str, isa: str) -> None:
    for sample in samples_of(name, BY_NAME["float64" if dtype == "complex128" else dtype]):
        arrays = [a.astype("c16") if dtype == "complex128" else a for a in sample.inputs]
        check(name, arrays, sample.attrs, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["i1", "i2", "f4", "f8", "c16"])
def test_transposes(kind: str, isa: str) -> None:
    for shape in ((1, 1), (3, 127), (127, 63), (8, 8), (64, 40), (80, 150), (16, 91), (0, 3)):
        x = np.arange(shape[0] * shape[1]).reshape(shape).astype(kind)
        check("transpose", (x,), {"axes": (1, 0)}, isa)
    x = np.arange(3 * 17 * 9 * 33).reshape(3, 17, 9, 33).astype(kind)
    for axes in ((0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 3, 2), (2, 0, 1, 3)):
        check("transpose", (x,), {"axes": axes}, isa)


def test_large_ones() -> None:
    x = np.arange(700_001).astype("f4")
    check("bitcast", (x,), {"dtype": dtypes.int32})
    check("flip", (x,), {"axes": (0,)})
    check("slice", (x,), {"starts": (1,), "stops": (700_000,), "steps": (3,)})
    check("concat", (x, x[:0], x[:5]), {"axis": 0})


def test_guards_and_a_target_with_room_around() -> None:
    x = np.arange(12.0).reshape(3, 4)
    source, result = (
        Buffer((3, 4), dtypes.float64, "input"),
        Buffer((9, 10), dtypes.float64, "input"),
    )
    plan = Plan(target())
    reads = Access((4, 1), -5, (Guard(0, 1, 4), Guard(1, 1, 5)), 7.0)
    lower_copy(plan, source, result, reads, Access((20, 1), 12), (4, 6))
    room = np.full((9, 10), -1.0)
    (got,) = run_plan(plan, {id(source): x, id(result): room}, [result])
    padded = np.pad(x, ((1, 0), (1, 1)), constant_values=7.0)
    room[1::2, 2:8] = padded
    assert np.array_equal(got, room)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shift", [0, 16])
def test_large_copies_go_past_the_caches(
    shift: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """shift: bytes by which memory misses the alignment that this needs."""
    harness.stream_from(1 << 12, shift, monkeypatch)
    for count in (1024, 1 << 17, (1 << 17) + 77):
        check("bitcast", (np.arange(count).astype("f4"),), {"dtype": dtypes.int32}, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["i2", "f4", "f8", "c16"])
@pytest.mark.parametrize("shift", [0, 16])
def test_large_transposes_go_past_the_caches(
    shift: int, kind: str, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.stream_from(1 << 10, shift, monkeypatch)
    for shape in ((64, 64), (96, 67), (32, 5), (160, 33), (80, 96), (33, 64)):
        x = np.arange(shape[0] * shape[1]).reshape(shape).astype(kind)
        check("transpose", (x,), {"axes": (1, 0)}, isa)
    x = np.arange(2 * 3 * 32 * 35).reshape(2, 32, 3, 35).astype(kind)
    for axes in ((0, 2, 3, 1), (3, 2, 0, 1), (2, 3, 0, 1), (1, 3, 2, 0)):
        check("transpose", (x,), {"axes": axes}, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shift", [0, 16])
def test_large_boxes_go_past_the_caches(
    shift: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.stream_from(1 << 10, shift, monkeypatch)
    for last in (15, 16, 32, 48, 128, 144):
        x = np.arange(5 * 4 * 3 * last).reshape(5, 4, 3, last).astype("f4")
        for axes in ((0, 2, 1, 3), (2, 1, 0, 3), (1, 0, 2, 3)):
            check("transpose", (x,), {"axes": axes}, isa)


def steps_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[Any]:
    """The launches that copy a transpose of float32."""
    plan = Plan(target("avx512"))
    source = Buffer(shape, dtypes.float32, "input")
    turned = tuple([shape[axis] for axis in axes])
    result = Buffer(turned, dtypes.float32, "output")
    strides = tuple([row_major(shape)[axis] for axis in axes])
    lower_copy(plan, source, result, Access(strides), Access(row_major(turned)), turned)
    return plan.steps


def test_what_goes_past_the_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines of large results only."""
    assert [step.kernel.kind for step in steps_of((64, 64), (1, 0))] == ["tile_copy"]
    assert "nontemporal" not in _text(steps_of((8, 8, 16), (1, 0, 2)))
    monkeypatch.setattr(copies, "STREAM_BYTES", 1 << 10)
    assert [step.kernel.kind for step in steps_of((64, 64), (1, 0))] == ["stream_tiles"]
    assert [step.kernel.kind for step in steps_of((60, 64), (1, 0))] == ["tile_copy"]
    assert "nontemporal" in _text(steps_of((8, 8, 16), (1, 0, 2)))
    assert "nontemporal" not in _text(steps_of((8, 8, 15), (1, 0, 2)))


def _text(steps: list[Any]) -> str:
    return "".join([step.kernel.emit("k", target("avx512")).text() for step in steps])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("images", [128, 131])
def test_large_transposes_of_short_rows_take_some_columns_at_a_time(
    images: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns that are no multiple of so many are left for a second launch, and what lies next to
    a row in the source is walked with it."""
    monkeypatch.setattr(copies, "STREAM_BYTES", 1 << 10)
    monkeypatch.setattr(copies, "LINE", 1 << 20)  # no line is written as a whole
    shape = (images, 3, 4, 9)
    steps = steps_of(shape, (3, 2, 1, 0))
    assert [step.units for step in steps] == [3 * 2 * 4, *[3 * 4] * (images > 128)]
    x = np.arange(images * 3 * 4 * 9).reshape(shape).astype("f4")
    check("transpose", (x,), {"axes": (3, 2, 1, 0)}, isa)

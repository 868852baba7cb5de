"""Products of bfloat16 for AMX, run by an emulator, and the instructions that come of them."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plait.core.codegen import amx as codegen
from plait.core.codegen.access import Access, Epilogue
from plait.core.codegen.kernel import Launch
from plait.core.codegen.outlet import Outlet
from plait.core.codegen.text import module
from plait.core.compiler import replan
from plait.core.compiler.lower import amx
from plait.core.compiler.lower.contract import lower_dot
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.rewrite import Builder
from plait.core.compiler.structure import Structures
from plait.core.ir import dtypes
from plait.core.ir.graph import Instruction, trace
from plait.core.ir.node import Spec
from plait.core.llvm.build import assembly
from plait.core.llvm.target import Target, target
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import ADD, LE
from plait.core.ops.math import RELU
from plait.core.runtime.guard import SIDES
from plait.core.runtime.guard import _Fenced as Fenced
from tests.codegen import harness
from tests.codegen.amx_emulator import Emulator
from tests.codegen.amx_emulator import emulator as shared
from tests.codegen.harness import run_op
from tests.codegen.test_gemm import tolerance, values
from tests.compiler.plan_cases import Compared

KIND = dtypes.bfloat16
#: rows, steps, columns: around the borders of tiles, strips, panels and blocks of K; K in parts.
SIZES = (
    (16, 32, 16),
    (17, 33, 17),
    (31, 63, 31),
    (32, 64, 32),
    (33, 65, 33),
    (48, 96, 80),
    (64, 31 + 64, 49),
    (70, 544, 70),
    (40, 1025, 40),
    (16, 1024, 20),
    (150, 64, 33),
    (33, 32, 530),
)
BATCHES = {"contract": ((2,), (1,)), "batch": ((0,), (0,))}


def tiled() -> Target:
    """A target as that of this machine, and with AMX."""
    if target().isa != "avx512":
        pytest.skip("the kernels around the tiles are for AVX-512")
    return replace(target("avx512"), amx=True)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The emulator, in place of the instructions: there must be no fault, and nothing left over."""
    tiled()  # which skips the test where there are no such targets
    shared.reset()

    def watch(address: int, nbytes: int) -> None:
        assert not shared.is_configured()
        shared.regions.append((address, nbytes))
        if set(ctypes.string_at(address, nbytes)) == {0xAB}:  # what is to be written first: nan
            ctypes.memset(address, 0xFF, nbytes)

    monkeypatch.setattr(harness, "module", lambda *given: shared.rewritten(module(*given)))
    monkeypatch.setattr(harness, "watchers", [watch])
    yield shared
    assert not shared.faults, shared.faults[:3]
    assert shared.counts["ldtilecfg"] == shared.counts["tilerelease"] > 0
    assert not shared.is_configured()


def product(
    sizes: tuple[int, int, int], left: str, right: str, **more: Any
) -> tuple[np.ndarray, np.ndarray]:
    """A product by the emulator, and by NumPy in float32."""
    m, k, n = sizes
    random = np.random.RandomState(3)
    a = values(random, (m, k) if left == "mk" else (k, m), KIND)
    b = values(random, (k, n) if right == "kn" else (n, k), KIND)
    attrs = {"contract": ((left.index("k"),), (right.index("k"),)), "batch": ((), ())}
    (made,) = run_op(lower_dot, DOT_GENERAL, [a, b], [KIND] * 2, attrs, tiled(), **more)
    wide = [x.astype(np.float32) for x in (a, b)]
    wanted = (wide[0] if left == "mk" else wide[0].T) @ (wide[1] if right == "kn" else wide[1].T)
    return made.astype(np.float32), wanted


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("left", ("mk", "km"))
@pytest.mark.parametrize("right", ("kn", "nk"))
def test_products(sizes: tuple[int, int, int], left: str, right: str, emulator: Emulator) -> None:
    made, wanted = product(sizes, left, right)
    np.testing.assert_allclose(made, wanted, **tolerance(KIND, sizes[1]))
    tiles = [-(-size // side) for size, side in zip(sizes, (16, 32, 16))]
    assert emulator.counts["tdpbf16ps"] == 3 * np.prod(tiles)  # once in each dealing of units


@pytest.mark.parametrize("left", ("mk", "km"))
def test_units_of_many_strips_and_panels(
    left: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose sums wait side by side while K goes on; and the last unit has fewer strips."""
    monkeypatch.setattr(amx, "_UNITS", 1)
    made, wanted = product((131, 544, 70), left, "kn")
    np.testing.assert_allclose(made, wanted, **tolerance(KIND, 544))
    assert emulator.counts["ldtilecfg"] == 3 * 2 - 1  # whole, in halves, in two of three parts


def test_batches(emulator: Emulator) -> None:
    random = np.random.RandomState(1)
    a, b = values(random, (3, 40, 70), KIND), values(random, (3, 70, 50), KIND)
    (made,) = run_op(lower_dot, DOT_GENERAL, [a, b], [KIND] * 2, BATCHES, tiled())
    wanted = a.astype(np.float32) @ b.astype(np.float32)
    np.testing.assert_allclose(made.astype(np.float32), wanted, **tolerance(KIND, 70))


def test_epilogue(emulator: Emulator) -> None:
    """relu(x w + bias) in float32 and where that is not positive; x w is rounded first."""
    m, k, n = 50, 600, 70
    random = np.random.RandomState(4)
    a, w, bias = (values(random, s, KIND) for s in ((m, k), (n, k), (n,)))
    build = Builder([Spec((), KIND), Spec((), KIND)])
    y = build.emit(RELU, build.emit(ADD, 0, 1))
    mask = build.emit(LE, y, build.full(0, (), KIND))
    whole = Access((n, 1))
    epilogue = Epilogue(build.finish([y, mask]), (Access((0, 1)),), (whole, whole))
    outputs = [Buffer((m, n), KIND, "output"), Buffer((m, n), dtypes.bool_, "output")]
    attrs = {"contract": ((1,), (1,)), "batch": ((), ())}
    got, where = run_op(
        lower_dot, DOT_GENERAL, [a, w], [KIND] * 3, attrs, tiled(), epilogue, [bias], outputs
    )
    wide = [x.astype(np.float32) for x in (a, w, bias)]
    wanted = np.maximum(wide[0] @ wide[1].T + wide[2], 0)
    limits = tolerance(KIND, k)
    np.testing.assert_allclose(got.astype(np.float32), wanted, limits["rtol"], 4 * limits["atol"])
    np.testing.assert_array_equal(where, got.astype(np.float32) <= 0)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("left", ("mk", "km"))
@pytest.mark.parametrize("right", ("kn", "nk"))
def test_nothing_outside_is_touched(
    left: str, right: str, side: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffers that end (begin) where pages do that may not be touched: else the process dies."""
    fences: list[Fenced] = []

    def fenced(nbytes: int, align: int = 64, fill: int = 0xAB) -> np.ndarray:
        fences.append(Fenced(nbytes, side))
        fences[-1].inside[:] = fill
        return fences[-1].inside

    monkeypatch.setattr(harness, "aligned", fenced)
    monkeypatch.setattr(harness, "_GUARD", 0)
    monkeypatch.setattr(harness, "_SCRATCH_GUARD", 0)
    made, wanted = product((49, 593, 37), left, right)
    np.testing.assert_allclose(made, wanted, **tolerance(KIND, 593))


def test_full_tiles_are_read_where_they_are(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a first operand whose steps lie side by side; rests, other orders and rows that share
    lines of the cache are copied."""

    def in_place(sizes: tuple[int, int, int], left: str) -> int:
        """Tiles that were read from the first operand."""
        emulator.reset()
        made, wanted = product(sizes, left, "kn")
        np.testing.assert_allclose(made, wanted, **tolerance(KIND, sizes[1]))
        operand = 2 * sizes[0] * sizes[1]
        own = [address for address, nbytes in emulator.regions if nbytes == operand]
        return sum(any(0 <= at - start < operand for start in own) for at in emulator.loads) // 3

    assert in_place((64, 96, 72), "mk") == 4 * 3 * 3
    assert in_place((64, 96, 72), "km") == 0
    assert in_place((48, 96, 72), "mk") == 3 * 3 * 3
    assert in_place((50, 96, 72), "mk") == 2 * 3 * 3
    assert in_place((64, 545, 17), "mk") == 4 * 16
    monkeypatch.setattr(amx, "_UNITS", 1)
    assert in_place((32, 992, 128), "mk") == 2 * 31 * 4
    assert in_place((32, 1024, 128), "mk") == 0


def test_small_and_other_products_are_none_for_amx() -> None:
    def launches(sizes: tuple[int, int, int], kind: Any, on: Target) -> set[str]:
        m, k, n = sizes
        plan = Plan(on)
        inputs = [Buffer(shape, kind, "input") for shape in ((m, k), (k, n))]
        output = Buffer((m, n), kind, "output")
        attrs = {"contract": ((1,), (0,)), "batch": ((), ())}
        made = Instruction(DOT_GENERAL, (0, 1), attrs, output.shape, kind, None)
        assert lower_dot(made, inputs, [output], plan)
        return {launch.kernel.kind for launch in plan.steps}

    assert launches((16, 32, 16), KIND, tiled()) == {"amx_pack", "amx"}
    assert "amx" not in launches((16, 32, 16), KIND, tiled().without_amx())
    assert "amx" not in launches((16, 32, 16), dtypes.float16, tiled())
    for sizes in ((15, 32, 16), (16, 31, 16), (16, 32, 15)):
        assert "amx" not in launches(sizes, KIND, tiled())


def test_one_code_serves_all_rows_and_steps() -> None:
    symbols = set()
    for m, k, n in ((16, 32, 130), (200, 3000, 130)):
        plan = Plan(tiled())
        inputs = [Buffer(shape, KIND, "input") for shape in ((m, k), (k, n))]
        output = Buffer((m, n), KIND, "output")
        attrs = {"contract": ((1,), (0,)), "batch": ((), ())}
        made = Instruction(DOT_GENERAL, (0, 1), attrs, output.shape, KIND, None)
        assert lower_dot(made, inputs, [output], plan)
        symbols.add(tuple([step.kernel.symbol(plan.target) for step in plan.steps]))
    assert len(symbols) == 1


@pytest.mark.parametrize("along", (False, True))
def test_instructions(along: bool) -> None:
    """What LLVM makes of it: tiles are set once and given back, and nothing else is called."""
    on = replace(tiled(), features=f"{tiled().features},+amx-tile,+amx-bf16")
    outlet = Outlet((), (), (Access((100, 10, 1)),), ("bfloat16",), numbered=True)
    g = codegen.Amx(along, outlet)
    text = assembly(module([codegen.emit_amx("product", on, g)], on.vector_bytes), on)
    names = re.findall(r"^\t([a-z0-9]+)", text, re.MULTILINE)
    once = [names.count(name) for name in ("ldtilecfg", "tilerelease", "call", "callq")]
    assert once == [1, 1, 0, 0]
    assert names.index("ldtilecfg") < names.index("tdpbf16ps") < names.index("tilerelease")
    # Two by two tiles of sums, two by one, one by two, and one.
    counts = [names.count(name) for name in ("tdpbf16ps", "tilezero", "tileloadd", "tilestored")]
    assert counts == [9, 9, 9 + 4 + 3 + 3 + 2, 9]
    assert "tdpbf16ps\t%tmm7, %tmm5, %tmm3" in text


def test_plans_of_earlier_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other batches and lengths are planned by the earlier plan, for targets with AMX those of such
    a target; each plan is the one that would be made anew."""
    seen = Compared(monkeypatch)
    structures = Structures()
    attrs = {"contract": ((1,), (0,)), "batch": ((), ())}

    def kinds(on: Target, m: int, k: int, n: int) -> set[str]:
        specs = [Spec(shape, KIND) for shape in ((m, k), (k, n))]
        graph = trace(lambda a, b: (DOT_GENERAL(a, b, **attrs),), specs)
        steps = replan.lowered(graph, structures, on).steps
        return {step.kernel.kind for step in steps if isinstance(step, Launch)}

    reused = 0
    for m, k, n in ((64, 96, 48), (80, 2048, 130), (1000, 800, 1000), (99, 33, 17), (33, 1024, 32)):
        before = seen.reused
        assert {"amx_pack", "amx"} <= kinds(tiled(), m, k, n)
        reused += seen.reused - before
        assert "amx" not in kinds(tiled().without_amx(), m, k, n)
    assert reused == 2  # not the first two, nor the last, whose K is cut in parts
    assert "amx" not in kinds(tiled(), 8, 800, 1000)

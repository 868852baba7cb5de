"""Large arrays whose extents vary: they have the kernels that constant extents have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plait.core.codegen import copies
from plait.core.codegen.kernel import Launch
from plait.core.compiler import structure
from plait.core.compiler.lower import rows
from plait.core.compiler.structure import Structures
from plait.core.ir import dtypes
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.elementwise import MUL
from plait.core.ops.reduce import ARGMAX, MAX, SUM
from plait.core.ops.view import TRANSPOSE
from plait.core.runtime.compiled import CompiledGraph
from tests.compiler.extent_cases import ISAS, assert_same_bits, on


@pytest.fixture(autouse=True)
def all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of some KB count as larger than the caches, steps of 64 elements as far."""
    monkeypatch.setenv("PLAIT_EXTENTS", "auto")
    monkeypatch.setattr(structure, "known", Structures())
    for name in ("_CACHED", "_MAPPED"):
        monkeypatch.setattr(rows, name, 1 << 12)
    monkeypatch.setattr(rows, "_FAR", 64)
    monkeypatch.setattr(copies, "STREAM_BYTES", 1 << 14)


def programs(
    function: Callable[[Any], Any], shapes: list[tuple[int, ...]], isa: str, monkeypatch: Any
) -> list[list[Launch]]:
    """The launches for each shape of an input, whose results have been compared with the bits of a
    program that is made for that shape alone."""
    found = []
    for shape in shapes:
        array = np.random.RandomState(shape[0]).uniform(-1, 1, shape).astype(np.float32)
        graph = trace(function, [Spec(shape, dtypes.float32)])
        program = CompiledGraph(graph, on=on(isa))
        with monkeypatch.context() as patch:
            patch.setenv("PLAIT_EXTENTS", "static")
            alone = CompiledGraph(graph, on=on(isa))
        assert_same_bits(program.run([array]), alone.run([array]))
        found.append([step for step in program.steps if isinstance(step, Launch)])
    return found


def chosen(launch: Launch, name: str) -> Any:
    """A field of the style of a row kernel."""
    return launch.kernel.key[1 + rows._KEYED.index(name)]


_SHAPES = [(40, 160), (300, 400), (77, 211), (64, 512), (40, 160)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", [MAX, ARGMAX], ids=lambda op: op.name)
def test_folds_down_columns_go_in_blocks(op: Any, isa: str, monkeypatch: Any) -> None:
    attrs: dict[str, Any] = {"axis": 0} if op is ARGMAX else {"axes": (0,)}
    for launches in programs(lambda x: op(x, **attrs), _SHAPES, isa, monkeypatch):
        assert chosen(launches[0], "blocks")


@pytest.mark.parametrize("isa", ISAS)
def test_sums_of_long_rows_are_kept_in_memory(isa: str, monkeypatch: Any) -> None:
    shapes = [(640, 160), (1300, 200), (801, 83), (640, 512)]
    for launches in programs(lambda x: SUM(x, axes=(0,)), shapes, isa, monkeypatch):
        assert chosen(launches[0], "together") == rows._FAR_ROWS


@pytest.mark.parametrize("isa", ISAS)
def test_results_go_past_the_caches(isa: str, monkeypatch: Any) -> None:
    shapes = [(40, 160), (64, 512), (3, 5), (77, 211)]
    found = programs(lambda x: MUL(x, x), shapes, isa, monkeypatch)
    assert [chosen(launches[0], "stream") for launches in found] == [True, True, False, True]


@pytest.mark.parametrize("isa", ISAS)
def test_transposes_of_short_rows_take_some_columns_at_a_time(isa: str, monkeypatch: Any) -> None:
    """With columns that are left, and without."""
    shapes = [(129, 6, 4, 16), (192, 6, 4, 16), (200, 6, 4, 16), (257, 6, 4, 16)]
    found = programs(lambda x: TRANSPOSE(x, axes=(3, 2, 1, 0)), shapes, isa, monkeypatch)
    assert [len(launches) for launches in found] == [2, 1, 2, 2]

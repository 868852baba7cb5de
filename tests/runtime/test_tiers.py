"""Which executor runs a graph: counted work decides, and a refused kernel is no dead end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from plait.core.ir.dtypes import float32
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, MUL
from plait.core.runtime import compiled, kernels, realize, tiers


def small_graph(terms: int) -> Graph:
    """x * y + y + y ..., of `terms` additions."""

    def body(x, y):
        total = MUL(x, y)
        for _ in range(terms):
            total = ADD(total, y)
        return total

    return trace(body, [Spec((2,), float32)] * 2)


def refuse(*args: Any, **kwargs: Any) -> Any:
    kernel: Any = SimpleNamespace(kind="row")
    raise kernels.KernelRefused([kernel])


@pytest.fixture
def auto(monkeypatch):
    """The tier that counts, with nothing counted yet."""
    monkeypatch.setenv("PLAIT_BACKEND", "auto")
    monkeypatch.setattr(tiers, "_done", {})
    monkeypatch.setattr(tiers, "_refused", set())


def test_calls_alone_make_a_small_graph_worth_compiling(auto):
    graph = small_graph(5)
    bound = tiers._WORK_PER_KERNEL * (1 + 6 // tiers._OPS_PER_KERNEL)
    runs = -(-bound // tiers.work(graph))
    assert tiers.work(graph) >= 6 * tiers._WORK_PER_OP
    for _ in range(runs):
        assert tiers.executor_of(graph) is tiers._reference
    assert tiers.executor_of(graph) is tiers._compiled


def test_a_graph_that_runs_once_stays_on_the_reference(auto):
    assert tiers.executor_of(small_graph(7)) is tiers._reference


def test_a_graph_with_much_work_never_goes_to_the_reference(auto):
    # A product of 2 * 1200^3 flops: minutes of a slow machine's NumPy are not spent to find out
    # whether there is a second run.
    large = trace(lambda x: matmul(x, x), [Spec((1200, 1200), float32)])
    bound = tiers._WORK_PER_KERNEL * (1 + len(large.instructions) // tiers._OPS_PER_KERNEL)
    assert tiers.work(large) > tiers._AT_ONCE * bound
    assert tiers.executor_of(large) is tiers._compiled
    assert tiers.executor_of(large) is tiers._compiled


def test_a_refused_kernel_leaves_the_step_on_the_reference_with_a_warning(auto, monkeypatch):
    monkeypatch.setattr(compiled, "CompiledGraph", refuse)
    with pytest.warns(RuntimeWarning, match="stays uncompiled"):
        program = realize.compile_graph(small_graph(1), {}).run
    x, y = np.array([1, 2], np.float32), np.array([3, 4], np.float32)
    np.testing.assert_array_equal(program([x, y])[0], x * y + y)


@pytest.mark.plain
def test_a_refused_kernel_is_an_error_where_the_native_tier_is_asked_for(monkeypatch):
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setattr(compiled, "CompiledGraph", refuse)
    with pytest.raises(kernels.KernelRefused):
        realize.compile_graph(small_graph(1), {})


def test_equal_steps_share_a_program() -> None:
    first = compiled.donating(small_graph(1), {})
    assert compiled.donating(small_graph(1), {}) is first
    assert compiled.donating(small_graph(1), {0: 0}) is not first


def test_steps_of_other_lines_share_a_program() -> None:
    graph = small_graph(2)
    moved = [made._replace(source=f"there:{n}") for n, made in enumerate(graph.instructions)]
    elsewhere = Graph(graph.inputs, tuple(moved), graph.outputs)
    assert compiled.donating(elsewhere, {}) is compiled.donating(graph, {})

"""Parts of buffers: what lies in a row in the memory of another value is read where it is."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch
from plait._higher_order_ops.scan import scan
from plait.core.compiler import structure
from plait.core.compiler.structure import Structures
from plait.core.ir.dtypes import float32
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import op_by_name
from plait.core.ir.text import from_text
from plait.core.reference import executor
from plait.core.runtime.compiled import CompiledGraph
from tests.compiler.plan_cases import Compared

TURNS, ROWS, WIDTH = 6, 32, 64


def products(*starts: int, rows: int = 8, inner: int = 16, dtype: str = "float32") -> Graph:
    """x[s : s + rows] @ w for each start, of x (32, inner) and w (inner, 8)."""
    lines = [f"graph(%0: {dtype}[32, {inner}], %1: {dtype}[{inner}, 8]) {{"]
    results = []
    for number, start in enumerate(starts):
        part, made = 2 + 2 * number, 3 + 2 * number
        cut = f"{{starts=({start}, 0), steps=(1, 1), stops=({start + rows}, {inner})}}"
        lines.append(f"  %{part} = slice(%0) {cut}: {dtype}[{rows}, {inner}]")
        axes = "{batch=((), ()), contract=((1,), (0,))}"
        lines.append(f"  %{made} = dot_general(%{part}, %1) {axes}: {dtype}[{rows}, 8]")
        results.append(f"%{made}")
    return from_text("\n".join([*lines, f"  return {', '.join(results)}", "}"]))


def kinds(made: CompiledGraph) -> list[str]:
    """The kernels of a program, launch by launch."""
    return [step.kernel.kind for step in made.steps]


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_as_reference(graph: Graph, given: list[np.ndarray], made: CompiledGraph) -> None:
    expected = executor.run(graph, [a.copy() for a in given])
    for result, want in zip(made.run([a.copy() for a in given]), expected, strict=True):
        np.testing.assert_allclose(result, want, rtol=1e-5, atol=1e-5)


def test_a_part_of_an_input_is_not_copied() -> None:
    graph = products(0, 8, 24)
    made = CompiledGraph(graph)
    assert "copy" not in kinds(made)
    assert made.program.layout.nbytes == 0
    for seed in range(3):  # other arrays at each run
        assert_as_reference(graph, [random(32, 16, seed=seed), random(16, 8)], made)


def test_an_array_that_does_not_fit_is_copied_whole() -> None:
    """The addresses then come from Python's `bind`."""
    graph = products(8, 24)
    wide = random(32, 32)
    assert_as_reference(graph, [wide[:, ::2], random(16, 8)], CompiledGraph(graph))
    given = [wide[:, ::2], random(16, 8)]
    for result, want in zip(CompiledGraph(graph).run(given), executor.run(graph, given)):
        np.testing.assert_allclose(result, want, rtol=1e-5, atol=1e-5)


def test_a_part_that_begins_where_kernels_may_not_is_copied() -> None:
    """Row 1 of 17 numbers begins at byte 68, no multiple of 16."""
    graph = products(1, inner=17)
    made = CompiledGraph(graph)
    assert "copy" in kinds(made)
    assert_as_reference(graph, [random(32, 17), random(17, 8)], made)


GRAPH_OF_TEMPORARY = """\
graph(%0: float32[32, 16], %1: float32[16, 8]) {{
  %2 = dot_general(%0, %1) {{batch=((), ()), contract=((1,), (0,))}}: \
float32[32, 8]
  %3 = slice(%2) {{starts=({start}, 0), steps=(1, 1), stops=({stop}, 8)}}: float32[{rows}, 8]
  %4 = dot_general(%3, %1) {{batch=((), ()), contract=((1,), (1,))}}: \
float32[{rows}, 16]
  return %4
}}"""


@pytest.mark.parametrize(("start", "rows", "copied"), [(8, 24, False), (8, 4, True)])
def test_a_small_part_of_a_temporary_does_not_keep_it(start: int, rows: int, copied: bool) -> None:
    graph = from_text(GRAPH_OF_TEMPORARY.format(start=start, stop=start + rows, rows=rows))
    made = CompiledGraph(graph)
    assert ("copy" in kinds(made)) is copied
    assert_as_reference(graph, [random(32, 16), random(16, 8)], made)


def test_a_slice_that_is_an_output_has_memory_of_its_own() -> None:
    graph = from_text(
        """\
graph(%0: float32[32, 16]) {
  %1 = slice(%0) {starts=(8, 0), steps=(1, 1), stops=(16, 16)}: float32[8, 16]
  return %1
}"""
    )
    x = random(32, 16)
    (result,) = CompiledGraph(graph).run([x])
    assert not np.shares_memory(result, x)
    np.testing.assert_array_equal(result, x[8:16])


def test_memory_is_not_taken_over_before_its_part_is_read() -> None:
    """The second output is to be written over the input whose part the first one reads."""
    first = products(8)
    negated = Instruction(op_by_name("neg"), (0,), {}, (32, 16), float32, None)
    graph = Graph(first.inputs, (*first.instructions, negated), (*first.outputs, 4))
    x, w = random(32, 16), random(16, 8)
    want = executor.run(graph, [x.copy(), w])
    for got, expected in zip(CompiledGraph(graph, {1: 0}).run([x, w]), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_plans_for_other_starts_are_made_of_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "known", Structures())
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    compared = Compared(monkeypatch)
    w = torch.tensor(random(16, 8))
    for rows in (96, 80, 64, 48, 112):
        x = torch.tensor(random(rows, 16, seed=rows))
        half = torch.matmul(torch.matmul(x, w)[rows // 2 :], w.T)
        want = (x.numpy() @ w.numpy())[rows // 2 :] @ w.numpy().T
        np.testing.assert_allclose(half.numpy(), want, rtol=1e-5, atol=1e-5)
    assert compared.reused >= 2


def test_a_body_of_a_loop_reads_parts_of_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")

    def turn(total: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = x[8:24] @ w
        return total + made, made.sum()

    xs, w = torch.tensor(random(3, 32, 16)), torch.tensor(random(16, 8))
    total, _ = scan(turn, torch.zeros(16, 8), xs)
    want = (xs.numpy()[:, 8:24] @ w.numpy()).sum(0)
    np.testing.assert_allclose(total.numpy(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", ["", "start", "end"])
def test_a_loop_over_batches_copies_none(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps over xs[i], unrolled into one program; its launches between guard pages, too."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setenv("PLAIT_GUARD", side)
    xs, ys = random(TURNS, ROWS, WIDTH), np.arange(TURNS * ROWS).reshape(TURNS, ROWS) % 10

    def epoch(xs: torch.Tensor, ys: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        for i in range(TURNS):
            loss = torch.nn.functional.cross_entropy(xs[i] @ w, ys[i])
            (gradient,) = torch.autograd.grad(loss, w)
            w = (w - 0.1 * gradient).detach().requires_grad_()
        return w

    w = torch.tensor(random(WIDTH, 10, seed=1), requires_grad=True)
    made = torch.compile(epoch)(torch.tensor(xs), torch.tensor(ys), w)
    monkeypatch.setenv("PLAIT_GUARD", "")
    want = w.detach().numpy()
    for x, y in zip(xs, ys):
        scores = np.exp(x @ want - (x @ want).max(1, keepdims=True))
        chances = scores / scores.sum(1, keepdims=True) - np.eye(10, dtype=np.float32)[y]
        want = want - 0.1 * x.T @ chances / ROWS
    np.testing.assert_allclose(made.detach().numpy(), want, rtol=1e-4, atol=1e-5)

"""Memory of compiled steps: values made again, steps moved, and what both save."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.core.compiler import order, pipeline, recompute
from plait.core.compiler.cut import cheapest_cut
from plait.core.compiler.order import frugal, peak
from plait.core.compiler.rewrite import needed_of
from plait.core.ir.verify import verify
from plait.core.runtime import compiled as runtime
from plait.core.runtime import program as programs

LAYERS, WIDTH, ROWS = 6, 128, 512


def _parts(cut: set[int], edges: list, starts: list, ends: list) -> bool:
    seen = set(starts) - cut
    stack = list(seen)
    while stack:
        here = stack.pop()
        for tail, head in edges:
            if tail == here and head not in seen and head not in cut:
                seen.add(head)
                stack.append(head)
    return seen.isdisjoint(ends)


@pytest.mark.parametrize("seed", range(40))
def test_the_cut_is_the_cheapest(seed: int) -> None:
    chance = random.Random(seed)
    nodes = range(9)
    costs = {node: chance.randint(0, 9) for node in nodes}
    edges = [(a, b) for a, b in itertools.combinations(nodes, 2) if chance.random() < 0.3]
    starts, ends = [0, 1], [7, 8]
    found = cheapest_cut(costs, edges, starts, ends)
    assert _parts(found, edges, starts, ends)
    every = itertools.chain.from_iterable(itertools.combinations(nodes, k) for k in range(10))
    best = min(sum(costs[n] for n in cut) for cut in every if _parts(set(cut), edges, starts, ends))
    assert sum(costs[node] for node in found) == best


def _step() -> tuple[Any, Any]:
    """A deep net with norms and gelus, and its compiled training step."""
    torch.manual_seed(0)
    blocks = [
        nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )
        for _ in range(LAYERS)
    ]
    model: Any = nn.Sequential(*blocks)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @torch.compile(fullgraph=True)
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        y = x
        for block in blocks:
            y = y + block(y)
        loss = y.square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return model, step


def _train(monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[np.ndarray]]:
    """(bytes of the step's arena, losses and parameters)."""
    made: list[Any] = []

    class Watched(programs.Program):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(runtime, "Program", Watched)
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setenv("PLAIT_VERIFY", "1")
    model, step = _step()
    x = torch.randn(ROWS, WIDTH)
    losses = [step(x).numpy().copy() for _ in range(4)]
    found = [*losses, *[p.detach().numpy().copy() for p in model.parameters()]]
    return max(p.layout.nbytes for p in made), found


def test_a_deep_step_needs_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers, from an arena of what a layer keeps: its operands, not all it makes."""
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "PASSES", pipeline.PASSES[:-1])
        patched.setattr(order, "WORTH_BYTES", 1 << 40)
        before, expected = _train(patched)
    after, found = _train(monkeypatch)
    # Kept per layer: what the norm makes, and gelu's operand (four times as wide). Of the same
    # size again: what one layer works with in the backward pass. Before: gelu's result and slope,
    # the norm's result, and, until the end, every gradient that a weight's gradient reads.
    kept = LAYERS * ROWS * WIDTH * 4 * 5
    assert after < 2.2 * kept
    assert after < 0.6 * before
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, rtol=1e-5, atol=1e-6)  # sums in another order


def test_what_is_made_again_is_the_same_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass keeps the graph well formed, and leaves small ones alone."""
    seen: list[tuple[int, int]] = []
    plain = recompute.recompute

    def watched(graph: Any) -> Any:
        result = plain(graph)
        verify(result)
        assert needed_of(result) == result  # nothing is left that was only read late
        seen.append((len(graph.instructions), len(result.instructions)))
        return result

    passes = (*pipeline.PASSES[:-1], ("recompute", watched))
    monkeypatch.setattr(pipeline, "PASSES", passes)
    _train(monkeypatch)
    grown = [after - before for before, after in seen]
    # Per layer: an alias of what is kept, gelu's operations, scale and shift of the norm.
    assert max(grown) > 4 * LAYERS
    x = torch.randn(4, 4)
    assert torch.compile(lambda x: (x @ x).tanh() @ x)(x).shape == (4, 4)
    assert grown[0] >= 0 and seen[-1][0] == seen[-1][1]


def test_order_keeps_what_must_come_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step still comes behind those whose results it reads, and none is lost."""
    moved: list[int] = []
    plain = frugal

    def watched(steps: Any, in_arena: Any, donated: Any) -> Any:
        ordered = plain(steps, in_arena, donated)
        assert sorted(map(id, ordered)) == sorted(map(id, steps))
        written = {b for s in steps for b in order.writes(s)}
        done: set[Any] = set()
        for step in ordered:
            assert all(b in done or b not in written for b in order.reads(step))
            done.update(order.writes(step))
        assert peak(ordered, in_arena) <= peak(steps, in_arena)
        moved.append(sum(a is not b for a, b in zip(ordered, steps)))
        return ordered

    monkeypatch.setattr(programs, "frugal", watched)
    _train(monkeypatch)
    assert max(moved) > 0

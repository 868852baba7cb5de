"""Slices whose bounds change from step to step: written and read without a new graph for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait
from plait.core.lazy.replay.thread import threads
from tests.replay.twice import assert_same, run


def _rollout(rounds: int, size: int = 8) -> list[Any]:
    """A buffer that is filled row by row, with what is computed of its own rows."""
    network = plait.nn.Linear(3, 3)
    seen, scores = plait.zeros(size, 3), plait.zeros(2, size)
    state = plait.ones(3)
    found = []
    for _ in range(rounds):
        for step in range(size):
            seen[step] = state
            with plait.no_grad():
                made = network(seen[step]).tanh()
                scores[1, step] = made.sum()
            state = plait.from_numpy(made.numpy() + 1)
        found.append((seen.numpy().copy(), scores.numpy().copy()))
    return [array for pair in found for array in pair]


def _decoding(rounds: int, size: int = 6) -> list[Any]:
    """Attention over a cache of keys that one position at a time is written to."""
    project = plait.nn.Linear(4, 8)
    found = []
    for _ in range(rounds):
        keys = plait.zeros(2, size, 4)
        token = plait.ones(2, 1, 4)
        for position in range(size):
            with plait.no_grad():
                query, key = project(token).split(4, dim=-1)
                keys[:, position : position + 1] = key
                seen = plait.arange(size) <= position
                weights = (query @ keys.mT).masked_fill(~seen, -plait.inf).softmax(-1)
                token = weights @ keys
                found.append(token.numpy().copy())
    return found


def _windows(rounds: int, size: int = 12) -> list[Any]:
    """Windows of what waits to be computed, of several extents and steps."""
    data = plait.randn(size, 4)
    found = []
    for number in range(size * rounds):
        wide = data.exp()
        start = number % (size - 7)
        parts = [wide[start : start + 3], wide[start : start + 7 : 2], wide[:, start % 3 : 3]]
        found += [part.sum().item() for part in parts]
    return found


PROGRAMS = {"rollout": _rollout, "decoding": _decoding, "windows": _windows}


@pytest.mark.parametrize("backend", ["reference", "compiled"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_as_recorded_anew(name: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    rtol = 0 if backend == "reference" else 1e-5
    assert assert_same(PROGRAMS[name], 4, rtol=rtol)


def _points(name: str, size: int) -> list[Any]:
    for _ in range(2):
        PROGRAMS[name](8, size)
    before = threads.points
    PROGRAMS[name](8, size)
    assert not threads.in_blocks
    return [before, threads.points]


@pytest.mark.parametrize("name", ["rollout", "decoding"])
def test_positions_are_no_new_ways(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger buffer makes the tree no larger, and nothing is new after some rounds."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    few = run(_points, name, 12, replay=True)
    many = run(_points, name, 24, replay=True)
    assert few == many
    assert few[0] == few[1]


def test_a_row_is_written_in_place() -> None:
    buffer = plait.zeros(4, 2).add(1)
    memory = buffer._cell.compute().ctypes.data
    buffer[2] = plait.tensor([5.0, 6.0])
    assert buffer._cell.compute().ctypes.data == memory
    np.testing.assert_array_equal(buffer.numpy(), [[1, 1], [1, 1], [5, 6], [1, 1]])
    assert buffer._version == 1


def _held_by_a_node(x: Any) -> Any:
    return x + 1


def _held_by_a_view(x: Any) -> Any:
    return x[1:].clone()


def _held_by_a_gradient(x: Any) -> Any:
    return plait.ones(3, 2, requires_grad=True) * x


@pytest.mark.parametrize("hold", [_held_by_a_node, _held_by_a_view, _held_by_a_gradient])
def test_what_was_made_before_a_write_keeps_its_value(hold: Any) -> None:
    x = plait.arange(6.0).reshape(3, 2).clone()
    x.sum().item()
    held = hold(x)
    x[0:2] = plait.tensor(9.0)
    x[1] = plait.tensor([7.0, 8.0])
    expected = hold(plait.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(held.detach().numpy(), expected.detach().numpy())
    np.testing.assert_array_equal(x.numpy(), [[9, 9], [7, 8], [4, 5]])


def test_a_view_sees_what_is_written_into_its_base() -> None:
    x = plait.zeros(3, 2).add(0)
    row = x[1]
    assert row.tolist() == [0, 0]
    x[1] = plait.tensor([1.0, 2.0])
    assert row.tolist() == [1, 2]
    row[0] = plait.tensor(3.0)
    assert x.tolist() == [[0, 0], [3, 2], [0, 0]]


def test_parts_that_overlap_are_read_before_they_are_written() -> None:
    x = plait.arange(5.0).add(0)
    x.sum().item()
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_a_saved_value_that_was_written_over_is_noticed() -> None:
    x = plait.ones(3).add(0)
    x.sum().item()
    w = plait.ones(3, requires_grad=True)
    loss = (w * x).sum()
    x[0] = plait.tensor(4.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_an_expanded_tensor_is_not_written_in_place() -> None:
    x = plait.ones(1, 2).add(0)
    x.sum().item()
    with pytest.raises(RuntimeError, match="more than one element"):
        x.expand(3, 2)[:2] = plait.tensor([1.0, 2.0])

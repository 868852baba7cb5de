"""Views, in-place writes and shared memory behave as in PyTorch (see the scenarios)."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import plait
from tests.semantics import memory_scenarios, scenarios

SCENARIOS = {**scenarios.SCENARIOS, **memory_scenarios.SCENARIOS}
EXPECTED = json.loads(Path(__file__).with_name("expected.json").read_text())


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario_gives_the_stored_result(name):
    assert json.loads(json.dumps(SCENARIOS[name](plait))) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario_agrees_with_pytorch(name):
    torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
    assert SCENARIOS[name](torch) == EXPECTED[name]


def test_there_are_forty_scenarios_or_more():
    assert len(SCENARIOS) >= 40


@pytest.mark.parametrize("make", [plait.arange, lambda n: plait.arange(2 * n)[::2]])
def test_a_shallow_copy_shares_memory(make: Any) -> None:
    x = make(3.0)
    x.note = "kept"
    twin = copy.copy(x)
    twin[0] = 9
    x[1] = 7
    assert x.tolist() == twin.tolist() and x[0] == 9 and twin[1] == 7
    assert twin.note == "kept"


def test_a_shallow_copy_is_a_leaf() -> None:
    parameter = plait.nn.Parameter(plait.arange(3.0))
    twin = copy.copy(parameter)
    assert type(twin) is plait.nn.Parameter and twin.requires_grad and twin.is_leaf
    (twin * 2).sum().backward()
    assert twin.grad.tolist() == [2, 2, 2] and parameter.grad is None
    made = copy.copy(parameter * 2)
    assert made.is_leaf and made.requires_grad


def test_data_is_a_view_only_of_memory_that_something_else_holds() -> None:
    """Parameters that are views train more slowly: they are made where it can be seen."""
    weight = plait.nn.Parameter(plait.zeros(2, 2))
    weight.data = plait.arange(8.0)[:4].view(2, 2)
    assert not weight._is_view() and weight.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    memory = plait.arange(4.0)
    part = memory.view(2, 2)
    twin = memory.detach()
    del memory
    weight.data = twin.view(2, 2)
    assert weight._is_view()
    twin.add_(1)
    assert weight.tolist() == part.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    held = [plait.ones(4).view(2, 2)]
    weight.data = held[0]
    held[0].add_(1)
    assert weight.tolist() == held[0].tolist() == [[2.0, 2.0], [2.0, 2.0]]

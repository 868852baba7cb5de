"""Views, in-place writes and shared memory behave as in PyTorch (see scenarios.py)."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import plait
from tests.semantics.scenarios import SCENARIOS

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

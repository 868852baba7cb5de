"""Views, in-place writes and shared memory behave as in PyTorch (see scenarios.py)."""

import json
from pathlib import Path

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

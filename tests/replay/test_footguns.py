"""What a step depends on changes in the midst of a run: nothing may be silently wrong.

Every scenario is run plainly under replay, under `torch.compile`, and, as the oracle, on the
reference executor without replay; where PyTorch is installed, the oracle is held to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait
from plait.core.lazy.replay.thread import threads
from tests.replay import footguns, footguns_of_memory
from tests.replay.twice import run

#: float32 programs of some ten steps, added in another order: rounding moves results of size 1 by
#: less than 1e-5, and training at most doubles that a few times.
_CLOSE: Any = {"rtol": 2e-4, "atol": 2e-5}

SCENARIOS = (*footguns.SCENARIOS, *footguns_of_memory.SCENARIOS)
by_name = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _assert_close(found: list[Any], expected: list[Any], **bound: Any) -> None:
    assert len(found) == len(expected)
    for number, (f, e) in enumerate(zip(found, expected)):
        if isinstance(e, np.ndarray):
            np.testing.assert_allclose(f, e, **bound, err_msg=f"report {number}")
        else:
            assert f == e, f"report {number}"


def _oracle(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    with monkeypatch.context() as patched:
        patched.setenv("PLAIT_BACKEND", "reference")
        return run(lambda: list(scenario(plait, _plain)), replay=False)


@by_name
def test_replayed(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _oracle(scenario, monkeypatch)
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")

    def program() -> list[Any]:
        for _ in range(2):  # what the first run has taught must fit the second
            found = list(scenario(plait, _plain))
        assert threads.matches
        return found

    _assert_close(run(program, replay=True), expected, **_CLOSE)


@by_name
def test_compiled(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _oracle(scenario, monkeypatch)
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    found = run(lambda: list(scenario(plait, plait.compile)), replay=True)
    _assert_close(found, expected, **_CLOSE)


@by_name
def test_the_oracle_is_as_pytorch(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    _assert_close(_oracle(scenario, monkeypatch), list(scenario(torch, _plain)), **_CLOSE)

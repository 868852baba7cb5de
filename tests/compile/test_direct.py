"""Calls of a settled kind, compared in one native call, give what the function gives: whatever the
kind of the next call is."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.compiler import compiled as calls
from plait.compiler import step as steps
from plait.compiler.direct import Direct
from plait.core.runtime.objects import machine

pytestmark = pytest.mark.skipif(machine() is None, reason="no object machine on this Python")

WEIGHT = nn.Parameter(torch.full((3, 3), 0.5))
SETTING = {"add": 1.0}


def _function(x: Any, y: Any, k: Any, name: str | None = None) -> Any:
    """Something that depends on all that kinds of calls are told apart by."""
    made = x @ WEIGHT * k + y + SETTING["add"]
    if name is not None:
        made = made - len(name)
    if type(k) is bool:
        made = made * 2
    if type(k) is float and not k:
        made = made / k  # +-inf
    return made


def _arguments(chance: random.Random) -> tuple:
    """Arguments of one of many kinds; mostly of the usual one."""
    x, y = torch.full((2, 3), chance.random()), torch.full((2, 3), chance.random())
    change = chance.choice([None] * 40 + list(_CHANGES))
    given = [x, y, 2.0, None]
    if change is not None:
        _CHANGES[change](given)
    return tuple(given)


def _put(place: int, make: Callable[[Any], Any]) -> Callable[[list[Any]], None]:
    def change(given: list[Any]) -> None:
        given[place] = make(given[place])

    return change


_CHANGES: dict[str, Callable[[list[Any]], None]] = {
    "an int": _put(2, lambda k: 2),
    "a bool": _put(2, lambda k: True),
    "one": _put(2, lambda k: 1),
    "zero": _put(2, lambda k: 0.0),
    "negative zero": _put(2, lambda k: -0.0),
    "another number": _put(2, lambda k: 3.0),
    "nan": _put(2, lambda k: float("nan")),
    "a name": _put(3, lambda name: "ab"),
    "fewer": lambda given: given.__delitem__(3),
    "another shape": _put(1, lambda y: y[:1].clone()),
    "another dtype": _put(1, lambda y: y.double()),
    "a gradient": _put(0, lambda x: x.requires_grad_()),
    "a result": _put(0, lambda x: x.requires_grad_() * 1),
    "a view": _put(0, lambda x: torch.cat([x, x])[:2]),
    "strided": _put(0, lambda x: torch.full((3, 2), 2.0).t()),
    "one tensor": lambda given: given.__setitem__(1, given[0]),
    "one memory": lambda given: given.__setitem__(1, given[0].detach()),
    "a parameter": _put(0, lambda x: nn.Parameter(x)),
    "of NumPy": _put(0, lambda x: torch.from_numpy(x.numpy().copy())),
    "waiting": _put(0, lambda x: x + 1),
    "the weight": _put(1, lambda y: WEIGHT[:2]),
}


def _setting(chance: random.Random) -> Any:
    """A context to call in; mostly none."""
    made: list[Callable[[], Any]] = [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", torch.bfloat16),
        torch.enable_grad,
    ]
    return chance.choice([torch.no_grad] * 20 + made)()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_next_call_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)
    hits = _count_hits(monkeypatch)
    compiled, chance = torch.compile(_function), random.Random(seed)
    for turn in range(200):
        args = _arguments(chance)
        with monkeypatch.context() as patched, _setting(chance):
            if chance.random() < 0.1:
                patched.setitem(SETTING, "add", chance.choice([2.0, 1]))
            if chance.random() < 0.05:
                patched.setattr(WEIGHT, "requires_grad", False)
            made, expected = compiled(*args), _function(*args)
            assert made.dtype is expected.dtype, turn
            assert made.requires_grad == expected.requires_grad, turn
            np.testing.assert_allclose(
                made.detach().float().numpy(), expected.detach().float().numpy(), rtol=1e-2
            )
    assert hits() > 30


def _count_hits(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    plain, found = Direct.call, [0]

    def watched(self: Direct, args: tuple) -> Any:
        result = plain(self, args)
        found[0] += result is not steps.MISS
        return result

    monkeypatch.setattr(Direct, "call", watched)
    return lambda: found[0]


def _calls_of_inference() -> int:
    """Python's calls in a compiled forward pass whose output is read, once it is settled."""
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).eval()

    @torch.compile
    def infer(x: Any) -> Any:
        with torch.inference_mode():
            return model(x)

    x, made = torch.randn(1, 8), 0
    for _ in range(20):
        np.asarray(infer(x))

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal made
        made += event == "call"

    gc.collect()  # what other tests left would be finalized, and counted, in between
    gc.disable()
    try:
        sys.setprofile(count)
        np.asarray(infer(x))
        sys.setprofile(None)
    finally:
        gc.enable()
    return made


def test_calls_of_a_compiled_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    assert _calls_of_inference() <= 18  # 16 alone
    monkeypatch.setattr(calls, "MOST_MISSES", -1)
    assert _calls_of_inference() > 24  # without direct calls

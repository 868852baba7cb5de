"""Random programs of functions of views: the same bits replayed as recorded anew.

What a view is of, its dtype and shape, decides what a call of it makes, and is read only when the
call is: programs that take turns between alike calls are where an expectation could be wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
import plait.nn.functional as F
from tests.replay.twice import assert_same

_TURNS = 24
_DTYPES = (torch.float32, torch.float64, torch.int64, torch.int32)
_SHAPES = ((2, 3), (3, 2), (3, 3))
_VIEWS: tuple[Callable[[Any], Any], ...] = (
    lambda x: x,
    lambda x: x.t(),
    lambda x: x[0],
    lambda x: x[:, 1],
    lambda x: x.reshape(-1),
    lambda x: x[1:],
    lambda x: x.unsqueeze(0),
    lambda x: x.diagonal(),
    lambda x: x.expand(2, *x.shape),
    lambda x: x.detach(),
)
_FUNCTIONS: tuple[Callable[[Any], Any], ...] = (
    torch.relu,
    torch.abs,
    torch.sum,
    lambda x: x + x,
    lambda x: x * 2,
    lambda x: x.amax(),
    lambda x: F.softmax(x.float(), -1),
    lambda x: torch.cat([x, x]),
    lambda x: torch.add(x, x, alpha=2),
    lambda x: torch.where(x > 0, x, -x),
    lambda x: F.leaky_relu(x.float(), 0.0),
    lambda x: torch.maximum(x, x.flatten()[0].expand(x.shape)),
)


def _program(seed: int) -> list[Any]:
    chance, reports = random.Random(seed), []
    leaves = [torch.nn.Parameter(torch.arange(6.0).reshape(2, 3) * 0.5 - 1) for _ in range(2)]
    ways = [
        [chance.choice(choices) for choices in (_DTYPES, _SHAPES, _VIEWS, _FUNCTIONS, range(4))]
        for _ in range(chance.randint(1, 4))
    ]
    for turn in range(_TURNS):
        dtype, shape, view, function, kind = ways[turn % len(ways)]
        if chance.random() < 0.6:
            dtype, shape, view, function, kind = chance.choice(ways)
        x: Any = (torch.arange(shape[0] * shape[1]).reshape(shape) - 3 + turn % 3).to(dtype)
        if kind == 0:
            x = leaves[turn % 2]
        elif kind == 1 and dtype.is_floating_point:
            x.requires_grad_()
        made = function(view(x))
        reports += [str(made.dtype), tuple(made.shape)]
        if made.requires_grad and chance.random() < 0.7:
            made.sum().backward()
            reports.append(x.grad if x.grad is None else x.grad.tolist())
            x.grad = x.grad if chance.random() < 0.5 else None
        if chance.random() < 0.8:
            reports.append(repr(made.tolist()))
    return reports


@pytest.mark.parametrize("seed", range(40))
def test_functions_of_views_in_turn(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert assert_same(_program, seed)

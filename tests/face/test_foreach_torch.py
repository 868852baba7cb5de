"""`_foreach_*` against the real PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import plait
from plait._functions import foreach

torch = pytest.importorskip("torch", reason="compares with PyTorch")

CALLS = [
    *((name, ()) for name in foreach._UNARY.split()),
    *((name, (0.3,)) for name in foreach._BINARY.split()),
    *((name, ("list",)) for name in foreach._BINARY.split()),
    *((name, ([0.2, 0.7],)) for name in foreach._BINARY.split()),
    ("lerp", ("list", 0.3)),
    ("lerp", ("list", "list")),
    *((name, ("list", "list", 0.4)) for name in ("addcdiv", "addcmul")),
    *((name, ("list", "list", [0.4, 0.2])) for name in ("addcdiv", "addcmul")),
]


def lists(framework, seed):
    rng = np.random.default_rng(seed)
    return [framework.from_numpy(rng.uniform(0.1, 0.9, shape)) for shape in ((2, 3), (4,))]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_values(name, arguments, in_place) -> None:
    found = []
    for framework in (plait, torch):
        given = lists(framework, 0)
        operands = [
            lists(framework, n + 1) if part == "list" else part for n, part in enumerate(arguments)
        ]
        function = getattr(framework, f"_foreach_{name}{'_' if in_place else ''}")
        result = function(given, *operands)
        assert (result is given) == in_place
        found.append([y.numpy() for y in (given if in_place else result)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)

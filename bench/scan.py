"""A recurrent net by `scan`, forward and backward. `python -m bench.scan`.

In turns, in one process: the scan as one native program; the same with its turns run by Python, as
they are where a body has an op without a kernel; and a loop of Python under `compile`, which makes
a program of all turns. The gradients are compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

import plait as torch
from plait._higher_order_ops.scan import scan
from plait.core.runtime import control

ROUNDS = 15
#: (turns, rows, width)
SIZES = ((200, 1, 16), (200, 16, 64), (100, 64, 256))


def _turn(w: Any, h: Any, x: Any) -> Any:
    return torch.tanh(h @ w + x)


def _by_scan(w: Any, h: Any, xs: Any) -> Any:
    def turn(h: Any, x: Any) -> tuple[Any, Any]:
        h = _turn(w, h, x)
        return h, h.clone()

    return scan(turn, h, xs)[1].square().mean()


def _by_loop(w: Any, h: Any, xs: Any) -> Any:
    states = []
    for x in xs:
        h = _turn(w, h, x)
        states.append(h)
    return torch.stack(states).square().mean()


def _step(loss: Callable[..., Any], given: tuple[Any, ...]) -> Callable[[], np.ndarray]:
    step = torch.compile(torch.func.grad(loss))
    for _ in range(3):
        step(*given).numpy()
    return lambda: step(*given).numpy()


def main() -> None:
    """Print a table."""
    print("| turns, rows, width | way | ms, median (least) | of Python's turns |")
    print("| --- | --- | --- | --- |")
    for turns, rows, width in SIZES:
        torch.manual_seed(0)
        given = (
            torch.randn(width, width) / width**0.5,
            torch.zeros(rows, width),
            torch.randn(turns, rows, width),
        )
        with patch.object(control, "natively", lambda lowered, *given: lowered):
            ways = {"by Python": _step(_by_scan, given)}
        # Another structure, so that it is another program.
        ways["native"] = _step(lambda *x: _by_scan(*x) * 1, given)
        ways["unrolled"] = _step(_by_loop, given)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            results = {}
            for name, run in ways.items():
                start = time.perf_counter()
                results[name] = run()
                times[name].append(1e3 * (time.perf_counter() - start))
            for found in results.values():
                np.testing.assert_allclose(found, results["native"], rtol=1e-3, atol=1e-6)
        for name, found in times.items():
            share = statistics.median([a / b for a, b in zip(found, times["by Python"])])
            print(
                f"| {turns}, {rows}, {width} | {name} | {statistics.median(found):.2f} "
                f"({min(found):.2f}) | {share:.2f} |"
            )


if __name__ == "__main__":
    main()

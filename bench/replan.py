"""What a batch of a new size costs: the mlp's step. `python -m bench.replan`.

After some sizes the next one compiles no kernel: only the program is planned again. Printed is by
how much the first step of a new size is slower than the fourth, in plain loops and under
`plait.compile`, beside a step of PyTorch eager at the same sizes; a fresh process each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.interpreters import interpreter, parse_interpreters

WIDTHS, RATE = (784, 128, 64, 10), 0.1
#: Sizes that come before the clock starts: the first plans are made without knowing what varies.
FIRST = (64, 48, 80, 33, 71, 20)
SIZES = range(24, 128, 2)
CONTENDERS = ("plait", "plait_compile", "torch")


def measure_here(contender: str) -> dict[str, float]:
    """Milliseconds: of a step, and by how much the first one of a new size is longer."""
    if contender == "torch":
        import torch
    else:
        import plait as torch  # type: ignore[no-redef]  # the other framework's process

        torch.install_as("torch")
    torch.set_num_threads(2)
    step = _step(torch, compile_it=contender == "plait_compile")
    random = np.random.default_rng(0)
    more, steps = [], []
    for size in (*FIRST, *(size for size in SIZES if size not in FIRST)):
        x = torch.tensor(random.standard_normal((size, WIDTHS[0]), np.float32))
        y = torch.tensor(random.integers(0, WIDTHS[-1], size))
        times = []
        for _ in range(4):
            start = time.perf_counter()
            step(x, y).item()
            times.append(1000 * (time.perf_counter() - start))
        if size not in FIRST:
            more.append(times[0] - times[3])
            steps.append(times[3])
    return {"step": statistics.median(steps), "more": statistics.median(more)}


def _step(torch: Any, *, compile_it: bool) -> Callable[[Any, Any], Any]:
    from bench.models import dense  # not at the top: it is of the framework that is `torch`

    torch.manual_seed(0)
    model = dense(WIDTHS)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return torch.compile(step) if compile_it else step


def main() -> None:
    """Print a table, a row per contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure_here(given.here)))
        return
    pythons = parse_interpreters(given.python)
    print("| contender | ms a step | ms more at a new size |\n| --- | --- | --- |")
    for contender in CONTENDERS:
        command = [interpreter(pythons, contender), "-m", "bench.replan", "--here", contender]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"| {contender} | {found['step']:.2f} | {found['more']:.2f} |")


if __name__ == "__main__":
    main()

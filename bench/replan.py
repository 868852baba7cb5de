"""What a batch of a new size costs: the mlp's step. `python -m bench.replan`.

After some sizes the next one compiles no kernel: only the programs are planned again. Printed are,
for each new size, the time in which programs were made (planning) and how much longer all steps up
to the twelfth took than twelve settled ones (which is recording, too, and in plain loops a step on
the reference executor); beside a step of PyTorch eager at the same sizes. A fresh process each.
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
STEPS = 12
CONTENDERS = ("plait", "plait_compile", "torch")


def measure_here(contender: str) -> dict[str, float]:
    """Milliseconds: of a step, of planning at a new size, and of all that is more there."""
    if contender == "torch":
        import torch
    else:
        import plait as torch  # type: ignore[no-redef]  # the other framework's process

        torch.install_as("torch")
    torch.set_num_threads(2)
    step = _step(torch, compile_it=contender == "plait_compile")
    random = np.random.default_rng(0)
    planning = _Planning()
    if contender != "torch":
        from plait.core.runtime import compiled  # not at the top: it is of Plait alone

        compiled.watcher = planning
    planned, steps = [], []
    for size in (*FIRST, *(size for size in SIZES if size not in FIRST)):
        x = torch.tensor(random.standard_normal((size, WIDTHS[0]), np.float32))
        y = torch.tensor(random.integers(0, WIDTHS[-1], size))
        times = []
        planning.total = 0.0
        for _ in range(STEPS):
            start = time.perf_counter()
            step(x, y).item()
            times.append(1000 * (time.perf_counter() - start))
        if size not in FIRST:
            steps.append(times)
            planned.append(1000 * planning.total)
    # Each step's median over the sizes, for other processes disturb some.
    each = [statistics.median(times) for times in zip(*steps)]
    settled = statistics.median(each[-3:])
    more = sum(each) - STEPS * settled
    return {"step": settled, "planned": statistics.median(planned), "more": more}


class _Planning:
    """Counts the time in which programs are made (a watcher of `core/runtime/compiled.py`)."""

    total = start = 0.0

    def begin(self, graph: Any) -> None:
        self.start = time.perf_counter()

    def end(self, made: Any) -> None:
        self.total += time.perf_counter() - self.start


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
    print("| contender | ms a step | planning, ms | all that is more, ms |")
    print("| --- | --- | --- | --- |")
    for contender in CONTENDERS:
        command = [interpreter(pythons, contender), "-m", "bench.replan", "--here", contender]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {contender} | {found['step']:.2f} | {found['planned']:.2f} | {found['more']:.2f} |"
        )


if __name__ == "__main__":
    main()

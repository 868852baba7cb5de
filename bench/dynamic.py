"""Programs that change their structure each step: time and memory. `python -m bench.dynamic`.

Each program is plain PyTorch and runs on both frameworks, in a fresh process each. Printed are
milliseconds a step, and what the process has grown by from a tenth of the steps to the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.interpreters import interpreter, parse_interpreters

WIDTH, ROWS, DEEPEST = 32, 16, 8


def random_depth(torch: Any, chance: random.Random) -> Callable[[], Any]:
    """One to eight of eight layers, drawn anew each step."""
    layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEEPEST)])

    def forward(x: Any) -> Any:
        for layer in layers[: chance.randint(1, DEEPEST)]:
            x = torch.tanh(layer(x))
        return x

    return _training(torch, layers, forward)


def stochastic_layers(torch: Any, chance: random.Random) -> Callable[[], Any]:
    """Residual layers, each left out half of the time."""
    layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEEPEST)])

    def forward(x: Any) -> Any:
        for layer in layers:
            if chance.random() < 0.5:
                x = x + torch.relu(layer(x))
        return x

    return _training(torch, layers, forward)


def early_exit(torch: Any, chance: random.Random) -> Callable[[], Any]:
    """Layers until a value, which is read, says that it is enough."""
    layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEEPEST)])

    def forward(x: Any) -> Any:
        enough = chance.random()
        for layer in layers:
            x = torch.tanh(layer(x))
            if x[0, 0].item() > enough:
                break
        return x

    return _training(torch, layers, forward)


def tree_lstm(torch: Any, chance: random.Random) -> Callable[[], Any]:
    """A binary tree-LSTM over random trees of up to ten leaves."""
    gates = torch.nn.Linear(2 * WIDTH, 5 * WIDTH)

    def tree(leaves: list[Any]) -> Any:
        if len(leaves) == 1:
            return leaves[0], torch.zeros(1, WIDTH)
        cut = chance.randint(1, len(leaves) - 1)
        (left, c_left), (right, c_right) = tree(leaves[:cut]), tree(leaves[cut:])
        i, f, g, o, u = gates(torch.cat([left, right], 1)).chunk(5, 1)
        c = i.sigmoid() * u.tanh() + f.sigmoid() * c_left + g.sigmoid() * c_right
        return o.sigmoid() * c.tanh(), c

    def forward(x: Any) -> Any:
        return tree(list(x[: chance.randint(2, 10)].split(1)))[0]

    return _training(torch, gates, forward)


def _training(torch: Any, model: Any, forward: Callable[[Any], Any]) -> Callable[[], Any]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(ROWS, WIDTH)

    def step() -> float:
        optimizer.zero_grad()
        loss = forward(x).square().mean()
        if loss.requires_grad:
            loss.backward()
            optimizer.step()
        return loss.item()

    return step


PROGRAMS = {f.__name__: f for f in (random_depth, stochastic_layers, early_exit, tree_lstm)}


def measure_here(framework: str, name: str, steps: int) -> dict[str, float]:
    """Milliseconds a step and megabytes of growth, in this fresh process."""
    if framework == "plait":
        import plait as torch
    else:
        import torch  # type: ignore[no-redef]  # the other framework's process
    torch.set_num_threads(2)
    torch.manual_seed(0)
    step = PROGRAMS[name](torch, random.Random(0))
    for _ in range(steps // 10):
        step()
    before, start = _resident(), time.perf_counter()
    for _ in range(steps):
        step()
    seconds = time.perf_counter() - start
    return {"ms": 1000 * seconds / steps, "grown_mb": _resident() - before}


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    """Print a table, a row per program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        framework, name = given.here
        print(json.dumps(measure_here(framework, name, given.steps)))
        return
    pythons = parse_interpreters(given.python)
    print("| program | framework | ms a step | MB grown |\n| --- | --- | --- | --- |")
    for name in PROGRAMS:
        for framework in ("plait", "torch"):
            command = [interpreter(pythons, framework), "-m", "bench.dynamic"]
            command += ["--here", framework, name, "--steps", str(given.steps)]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                print(done.stderr[-300:], file=sys.stderr)
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            print(f"| {name} | {framework} | {found['ms']:.2f} | {found['grown_mb']:.1f} |")


if __name__ == "__main__":
    main()

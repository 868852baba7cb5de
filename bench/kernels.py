"""Plait's kernels against NumPy's and PyTorch's: `python -m bench.kernels [group ...]`.

One process, contenders in turn. Plait runs the graph of the operation as a compiled program, so
what a call of it costs is in its times, as what PyTorch's dispatch costs is in PyTorch's. All
results are compared first; a case where they differ fails the command.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import machine

#: Largest difference of a result, relative to its largest value: float32 sums of up to 10^7 terms,
#: in two orders.
_TOLERANCE = 1e-3


@dataclass
class Row:
    """What was measured for a case: seconds a call, by contender."""

    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    trouble: str = ""

    def least(self, contender: str) -> float:
        return min(self.times[contender])

    def ratio(self, contender: str) -> float:
        """Plait's least time over another's; nan without one."""
        if not {"plait", contender} <= set(self.times):
            return math.nan
        return self.least("plait") / self.least(contender)


def call_on(lib: Any, case: Any, arrays: Sequence[Any]) -> tuple[Callable[[], Any], list[Any]]:
    """(call, inputs): what computes a case by a library that runs eagerly or records."""
    tensors = [lib.tensor(array) for array in arrays]
    if case.prepare is not None:
        function, leaves = case.prepare(lib, tensors)
    else:
        leaves = [t for t in tensors if t.is_floating_point()]
        function = lambda: case.apply(lib, *tensors)  # noqa: E731 - the twin of `prepare`'s result
    if case.mode == "forward":

        def forward() -> Any:
            with lib.no_grad():
                return (function(),)

        return forward, tensors
    for leaf in leaves:
        leaf.requires_grad_(True)
    if case.mode == "gradient":
        made = function()
        upstream = _upstream(lib, made)
        wanted = leaves[case.wrt]
        return lambda: lib.autograd.grad(made, wanted, upstream, retain_graph=True), tensors
    upstream = _upstream(lib, function().detach())

    def step() -> Any:
        made = function()
        return (made.detach(), *lib.autograd.grad(made, leaves, upstream))

    return step, tensors


def _upstream(lib: Any, made: Any) -> Any:
    """A gradient that is not the same everywhere."""
    import numpy as np

    values = np.random.RandomState(1).standard_normal(tuple(made.shape)).astype(np.float32)
    return lib.tensor(values)


def program_of(case: Any, arrays: Sequence[Any]) -> Callable[[], list[Any]]:
    """A function that runs a case as one compiled graph of Plait."""
    import plait
    from plait.core.ir.graph import capture
    from plait.core.runtime.compiled import CompiledGraph

    call, tensors = call_on(plait, case, arrays)
    results = call()
    captured = capture([result.value()[0] for result in results])
    program = CompiledGraph(captured.graph)
    values = [leaf.value for leaf in captured.leaves]
    del tensors, results
    return lambda: program.run(values)


def measure(case: Any, rounds: int, seconds: float) -> Row:
    """Compare a case's results, then time it by turns; blocks last about so many seconds."""
    import numpy as np
    import torch

    row = Row(case.name)
    arrays = case.arrays()
    calls: dict[str, Callable[[], Any]] = {"torch": call_on(torch, case, arrays)[0]}
    try:
        calls["plait"] = program_of(case, arrays)
    except Exception as fault:
        row.trouble = f"{type(fault).__name__}: {fault}"[:200]
    if case.plain is not None:
        calls["numpy"] = lambda: (case.plain(*arrays),)
    results = {name: [np.asarray(part) for part in call()] for name, call in calls.items()}
    worst = max(
        (_difference(a, b) for r in results.values() for a, b in zip(r, results["torch"])),
        default=0.0,
    )
    if not worst <= _TOLERANCE:
        row.trouble = f"results differ by {worst:.1g}"
    counts = {name: max(1, round(seconds / _timed(call, 1))) for name, call in calls.items()}
    row.times = {name: [] for name in calls}
    for turn in range(rounds):
        for name in calls if turn % 2 == 0 else reversed(calls):
            row.times[name].append(_timed(calls[name], counts[name]))
    return row


def _difference(a: Any, b: Any) -> float:
    """The largest difference, relative to the largest value."""
    if a.shape != b.shape:
        return math.inf
    if not a.size:
        return 0.0
    scale = float(abs(b).max()) or 1.0
    return float(abs(a.astype("float64") - b.astype("float64")).max()) / scale


def _timed(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def table(group: str, rows: Sequence[Row]) -> str:
    """A group's cases as Markdown: microseconds, least (median), and ratios of least times."""
    names = ["plait", "torch", "numpy"]
    lines = [[group, *[f"{name} us" for name in names], "plait / torch", "plait / numpy"]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = [row.name]
        for name in names:
            times = row.times.get(name)
            cells.append(
                f"{_micro(min(times))} ({_micro(statistics.median(times))})" if times else ""
            )
        lines.append([*cells, *[_shown(row.ratio(name)) for name in ("torch", "numpy")]])
    means = [_shown(geometric_mean(rows, name)) for name in ("torch", "numpy")]
    lines.append(["geometric mean", "", "", "", *means])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def geometric_mean(rows: Sequence[Row], contender: str) -> float:
    """Of Plait's ratios to a contender, where there are any; else nan."""
    logs = [math.log(r) for row in rows if not math.isnan(r := row.ratio(contender))]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def _micro(seconds: float) -> str:
    value = 1e6 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _shown(ratio: float) -> str:
    return "" if math.isnan(ratio) else f"{ratio:.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help="all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--block-seconds", type=float, default=0.005)
    parser.add_argument("--threads", type=int, default=machine.default_threads())
    parser.add_argument("--huge", action="store_true", help="working sets of 1 GB too")
    parser.add_argument("--summary", action="store_true", help="geometric means only")
    return parser.parse_args()


def _restart_with_threads(threads: int) -> None:
    """Start over where the pools, which read it when loaded, would have another size."""
    wanted = {f"{pool}_NUM_THREADS": str(threads) for pool in ("OMP", "MKL", "OPENBLAS")}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        command = [sys.executable, "-m", "bench.kernels", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **wanted})


def main() -> int:
    """Print a table for each group, then their means; 1 where something failed or differs."""
    arguments = _arguments()
    _restart_with_threads(arguments.threads)
    import torch

    import plait
    from bench.kernel_cases import GROUPS

    unknown = set(arguments.groups) - set(GROUPS)
    if unknown:
        sys.exit(f"unknown groups: {', '.join(sorted(unknown))}; known: {', '.join(GROUPS)}")
    machine.limit_processors(arguments.threads)
    plait.set_num_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    means, troubles = [], []
    for group in arguments.groups or GROUPS:
        cases = GROUPS[group](arguments.huge)
        rows = [measure(case, arguments.rounds, arguments.block_seconds) for case in cases]
        if not arguments.summary:
            print(f"\n{table(group, rows)}", flush=True)
        shown = [_shown(geometric_mean(rows, name)) for name in ("torch", "numpy")]
        means.append(f"| {group} | {' | '.join(shown)} |")
        troubles += [f"{group}, {row.name}: {row.trouble}" for row in rows if row.trouble]
    head = "| geometric means | plait / torch | plait / numpy |\n| --- | --- | --- |"
    print("", head, *means, "", *troubles, sep="\n")
    print(f"{time.strftime('%Y-%m-%d')}; {machine.describe(arguments.threads)}")
    print(f"python -m bench.kernels {shlex.join(sys.argv[1:])}".rstrip())
    return int(bool(troubles))


if __name__ == "__main__":
    sys.exit(main())

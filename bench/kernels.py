"""Plait's kernels against NumPy's and PyTorch's: `python -m bench.kernels [group ...]`.

A process for each contender, so that no pool's threads spin on another's processors, and blocks in
turn. Plait runs the graph of the operation as a compiled program, so what a call of it costs is in
its times, as what PyTorch's dispatch costs is in PyTorch's. All results are compared first; a case
where they differ fails the command.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
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


#: Who is measured, the judge of results last.
CONTENDERS = ("plait", "numpy", "torch")


def _call_of(contender: str, case: Any, arrays: Sequence[Any]) -> Callable[[], Any] | None:
    """What computes a case, by a contender; None where it does not have the operation."""
    if contender == "plait":
        return program_of(case, arrays)
    if contender == "numpy":
        return None if case.plain is None else lambda: (case.plain(*arrays),)
    return call_on(import_module(contender), case, arrays)[0]


def serve(pipe: Any, contender: str, threads: int) -> None:
    """Answer, for one contender: ("case", group, number, huge) with its results, None or the reason
    why there are none; ("block", seconds, realtime) with the seconds of a call."""
    import numpy as np

    from bench.kernel_cases import GROUPS

    machine.limit_processors(threads)
    if contender != "numpy":
        import_module(contender).set_num_threads(threads)
    call: Callable[[], Any] | None = None
    pace = 1.0
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            kind, *given = pipe.recv()
            if kind == "block":
                assert call is not None
                seconds, realtime = given
                with machine.precedence(realtime):
                    pace = _timed(call, max(1, round(seconds / pace)))
                pipe.send(pace)
                continue
            group, number, huge = given
            case = list(GROUPS[group](huge))[number]
            try:
                call = _call_of(contender, case, case.arrays())
                pipe.send(call and [np.asarray(part) for part in call()])
            except Exception as fault:
                call = None
                pipe.send(f"{type(fault).__name__}: {fault}"[:200])
            pace = _timed(call, 1) if call else 1.0


@contextlib.contextmanager
def contenders(threads: int) -> Iterator[dict[str, Any]]:
    """The pipes to processes that `serve`."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    try:
        for name in CONTENDERS:
            pipes[name], theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, name, threads), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
        yield pipes
    finally:
        for process in processes:
            process.terminate()
            process.join()


def measure(
    name: str, pipes: dict[str, Any], place: tuple[str, int, bool], rounds: int, block: tuple
) -> Row:
    """Compare a case's results, then time it by turns.

    place: group, number, huge. block: (seconds, realtime).
    """
    row = Row(name)
    results = {}
    for contender, pipe in pipes.items():
        pipe.send(("case", *place))
        answer = pipe.recv()
        if isinstance(answer, str):
            row.trouble = f"{contender}: {answer}"
        elif answer is not None:
            results[contender] = answer
    judge = results[CONTENDERS[-1]]
    worst = max(
        (_difference(a, b) for parts in results.values() for a, b in zip(parts, judge)),
        default=0.0,
    )
    if not worst <= _TOLERANCE:
        row.trouble = f"results differ by {worst:.1g}"
    row.times = {contender: [] for contender in results}
    for turn in range(rounds):
        for contender in results if turn % 2 == 0 else reversed(results):
            pipes[contender].send(("block", *block))
            row.times[contender].append(pipes[contender].recv())
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
    parser.add_argument(
        "--realtime", action="store_true", help="run timed blocks before all other processes"
    )
    parser.add_argument("--summary", action="store_true", help="geometric means only")
    return parser.parse_args()


def main() -> int:
    """Print a table for each group, then their means; 1 where something failed or differs."""
    arguments = _arguments()
    # Read by the pools of the contenders, which inherit it, when they are loaded.
    for pool in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{pool}_NUM_THREADS"] = str(arguments.threads)
    from bench.kernel_cases import GROUPS

    unknown = set(arguments.groups) - set(GROUPS)
    if unknown:
        sys.exit(f"unknown groups: {', '.join(sorted(unknown))}; known: {', '.join(GROUPS)}")
    means, troubles = [], []
    block = (arguments.block_seconds, arguments.realtime)
    with contenders(arguments.threads) as pipes:
        for group in arguments.groups or GROUPS:
            rows = [
                measure(case.name, pipes, (group, number, arguments.huge), arguments.rounds, block)
                for number, case in enumerate(GROUPS[group](arguments.huge))
            ]
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

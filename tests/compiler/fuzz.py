"""Random graphs as native programs against the reference executor.

    python -m tests.compiler.fuzz --first 0 --count 200 --isa avx2 [--seconds 60]

Graphs run in a child process: a crash of the compiler or of its code is a find like any other, and
the next child goes on behind it. Prints each find with its seed, then how many graphs ran. Exits
with 1 if there were finds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.llvm.target import target
from plait.core.reference import executor
from plait.core.runtime.compiled import CompiledGraph
from tests.compiler.wide_graphs import wide_graph
from tests.ops.tolerance import EPSILON

ROOT = Path(__file__).resolve().parents[2]

#: Runs with disturbed values from which the sensitivity of a graph is estimated.
_DISTURBED = 6
#: How many times the spread of the disturbed runs a result may be off. A sum of n terms in another
#: order errs by at most n half steps of its partial sums, in practice by some sqrt(n) of them; the
#: spread of six runs has some sqrt(n) steps of its terms. The largest sums here have 2^14 terms.
_SPREADS = 32.0


def disturbed(graph: Graph, arrays: Sequence[np.ndarray], random: np.random.RandomState) -> list:
    """The outputs where each op's result, and each input, is off by up to two roundings."""

    def disturb(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple([disturb(part) for part in value])
        array = np.asarray(value)
        step = EPSILON.get(array.dtype.name)
        if step is None:
            return array
        noise = 1 + 2 * step * random.uniform(-1, 1, array.shape)
        return np.asarray(array.astype(np.float64) * noise).astype(array.dtype)

    values = [disturb(array) for array in arrays]
    for made in graph.instructions:
        specs = tuple(graph.type_of(arg) for arg in made.args)
        alone = made._replace(args=tuple(range(len(specs))))
        inner = Graph(tuple(Spec(s.shape, s.dtype) for s in specs), (alone,), (len(specs),))
        (result,) = executor.run(inner, [values[a] for a in made.args])
        values.append(result if made.op.moves_only else disturb(result))
    return [values[number] for number in graph.outputs]


def donations(graph: Graph) -> dict[int, int]:
    """Outputs that may take over the memory of an input of their type, each input once."""
    given: dict[int, int] = {}
    for number, value in enumerate(graph.outputs):
        spec = graph.type_of(value)
        for i, there in enumerate(graph.inputs):
            free = i not in graph.outputs and i not in given.values()
            if free and (there.shape, there.dtype) == (spec.shape, spec.dtype):
                given[number] = i
                break
    return given


def difference(seed: int, isa: str) -> str:
    """What a seed's program gets wrong; empty if nothing.

    Results are equal but for roundings. Where they are not, the graph may be ill-conditioned, or
    have a jump near a value (a comparison, an order): the spread of disturbed runs tells.
    """
    graph, arrays = wide_graph(seed, steps=(12, 6, 24)[seed % 3])
    expected = executor.run(graph, arrays)
    program = CompiledGraph(graph, on=target(isa))
    actual = program.run([array.copy() for array in arrays])
    # The same kernels, some in place.
    donating = CompiledGraph(graph, donations(graph), on=target(isa))
    again = donating.run([array.copy() for array in arrays])
    runs: list[list] = []
    for number, (got, wanted) in enumerate(zip(actual, expected)):
        wanted = np.asarray(wanted)
        if got.dtype != wanted.dtype or got.shape != wanted.shape:
            return f"output {number}: {got.dtype}{got.shape} for {wanted.dtype}{wanted.shape}"
        if got.tobytes() != again[number].tobytes():
            return f"output {number}: other bits in a second run, in place"
        a, b = got.astype(np.float64), wanted.astype(np.float64)
        step = EPSILON.get(wanted.dtype.name, 0.0)
        scale = max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0.0))
        near = (a == b) | (np.abs(a - b) <= 8 * step * scale) | (np.isnan(a) & np.isnan(b))
        if near.all():
            continue
        if not runs:
            random = np.random.RandomState(seed)
            runs = [disturbed(graph, arrays, random) for _ in range(_DISTURBED)]
        others = [np.asarray(run[number]).astype(np.float64) for run in runs]
        spread = np.max([np.abs(other - b) for other in others], axis=0)
        # What the whole result is off by: a jump may happen at another place than in six runs.
        room = _SPREADS * np.maximum(spread, spread.max(initial=0.0) / 2)
        bad = ~near & ~(np.abs(a - b) <= room)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            return (
                f"output {number} {wanted.dtype}{list(wanted.shape)}: {int(bad.sum())} off, at "
                f"{list(place)} {a[place]} for {b[place]}, spread {spread.max()}"
            )
    return ""


def serve(first: int, count: int, isa: str) -> None:
    """Run seeds, with a line before each and one for each find."""
    with np.errstate(all="ignore"):
        for seed in range(first, first + count):
            print("seed", seed, flush=True)
            try:
                found = difference(seed, isa)
            except Exception as fault:
                found = " ".join(f"{type(fault).__name__}: {fault}".split())[:300]
            if found:
                print("find", found, flush=True)


@dataclass
class Report:
    """How many graphs ran, and what each seed with a find showed."""

    graphs: int = 0
    finds: dict[int, str] = field(default_factory=dict)


def fuzz(first: int, count: int, isa: str = "", seconds: float = 3600.0) -> Report:
    """Run seeds `first` to `first + count - 1` in child processes, as far as the time allows."""
    report, end = Report(), time.monotonic() + seconds
    seed, stop = first, first + count
    while seed < stop and time.monotonic() < end:
        command = [sys.executable, "-m", "tests.compiler.fuzz", "--child", "--isa", isa]
        command += ["--first", str(seed), "--count", str(stop - seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stdout is not None
            for line in child.stdout:
                word, _, rest = line.strip().partition(" ")
                if word == "seed":
                    seed = int(rest)
                    report.graphs += 1
                    if time.monotonic() > end:
                        child.kill()
                        return report
                elif word == "find":
                    report.finds[seed] = rest
        if child.returncode:
            report.finds[seed] = f"the process ended with {child.returncode}"
        elif report.graphs == 0:
            raise RuntimeError("the child process ran no graph")
        seed += 1
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description="Random graphs, compiled and not.")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--isa", default="")
    parser.add_argument("--child", action="store_true", help="run here, for a parent process")
    given = parser.parse_args()
    if given.child:
        serve(given.first, given.count, given.isa)
        return 0
    report = fuzz(given.first, given.count, given.isa, given.seconds)
    for seed, found in report.finds.items():
        print(f"seed {seed}: {found}")
    print(f"{report.graphs} graphs, {len(report.finds)} finds")
    return 1 if report.finds else 0


if __name__ == "__main__":
    sys.exit(main())

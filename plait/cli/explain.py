"""`plait explain script.py args`: what `plait run` does, compiled, and then a report of it.

Each program is listed once, when it is made: the size of its graph after each pass, the launches of
its kernels, where the kernels came from, its memory. The table at the end is that of
`runtime/profile.py`: every launch runs by itself on one thread, so the script is slower than usual.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from plait.core.codegen.kernel import Launch
from plait.core.ir.extents import constants_that_vary, varies
from plait.core.ir.graph import Graph
from plait.core.runtime import compiled, kernels, profile


def explain_script(path: str, arguments: Sequence[str]) -> int:
    """Run the script on the compiled backend; the report is printed however it ends.

    Gives 0 when the script ends by itself; its exceptions pass through, as in `run_script`.
    """
    from plait.cli.run import run_script

    os.environ["PLAIT_BACKEND"] = "compiled"
    report = Report()
    compiled.watcher = report
    try:
        with profile.profile() as measured:
            return run_script(path, arguments)
    finally:
        compiled.watcher = None
        print(report.text(), flush=True)
        if measured.totals:
            print(f"\n{measured.table()}", flush=True)


class Report:
    """The programs that were made, as text; a `compiled.Watcher`."""

    def __init__(self) -> None:
        self._programs: list[str] = []
        self._passes: list[tuple[str, int, float]] = []
        self._head = ""
        self._start = 0.0
        self._before = (0, 0)

    def begin(self, graph: Graph) -> Any:
        """Start the account of a program."""
        self._head = (
            f"{len(graph.instructions)} ops, {len(graph.inputs)} inputs, "
            f"{len(graph.outputs)} outputs"
        )
        self._passes = []
        self._before = (kernels.compiled, kernels.loaded)
        self._start = time.perf_counter()
        return self._note_pass

    def _note_pass(self, name: str, seconds: float, graph: Graph) -> None:
        self._passes.append((name, len(graph.instructions), seconds))

    def end(self, made: compiled.CompiledGraph) -> None:
        """Finish it."""
        seconds = time.perf_counter() - self._start
        program = made.program
        steps = [step for phase in program.phases for step in phase.steps]
        new, loaded = kernels.compiled - self._before[0], kernels.loaded - self._before[1]
        count = len({step.kernel for step in steps if isinstance(step, Launch)})
        self._programs.append(
            "\n".join(
                [
                    f"program {len(self._programs) + 1}: {self._head}; "
                    f"made in {seconds * 1e3:.1f} ms" + " of an earlier plan" * made.reused,
                    *_pass_lines(self._passes),
                    f"  {len(steps)} steps in {len(program.phases)} phases",
                    *_step_lines(steps),
                    f"  kernels: {count}; {new} compiled, {loaded} loaded from disk "
                    "(its files hold several)",
                    f"  memory: arena {program.layout.nbytes:,} bytes, with new outputs "
                    f"{program.peak_bytes:,} bytes",
                    *([f"  {len(program.copied)} results copied"] if program.copied else []),
                ]
            )
        )

    def text(self) -> str:
        """All programs, in the order in which they were made."""
        return "\n\n".join(self._programs or ["nothing was compiled"])


def _pass_lines(passes: Sequence[tuple[str, int, float]]) -> list[str]:
    lines = [f"  {'pass':18} {'ops':>6} {'ms':>8}"] if passes else []
    lines += [f"  {name:18} {ops:6} {seconds * 1e3:8.2f}" for name, ops, seconds in passes]
    return lines


def _step_lines(steps: Sequence[Any]) -> list[str]:
    """One line for steps that are alike, in the order of the first of each kind."""
    alike = Counter(
        (profile.label(step), getattr(step, "units", 1), *profile.work(step), _extents(step))
        for step in steps
    )
    heads = ("times", "units", "flops", "bytes")
    lines = ["  {:40} {:>6} {:>8} {:>14} {:>14}".format("kernel and results", *heads)]
    for (name, units, flops, moved, extents), times in alike.items():
        lines.append(f"  {name:40} {times:6} {units:8} {flops:14,} {moved:14,}{extents}")
    return lines


def _extents(step: Any) -> str:
    """What the kernel takes at run time of the extents that vary, or was made for."""
    if not isinstance(step, Launch):
        return ""
    made_for = sorted(set(constants_that_vary(step.kernel.key)))
    if made_for:
        return "  made for " + ", ".join(map(str, made_for))
    extents = {
        n
        for b in (*step.outputs, *step.inputs)
        for axis, n in enumerate(b.shape)
        if axis in b.varying or varies(n)
    }
    return "  at run time " + ", ".join(map(str, sorted(extents))) if extents else ""

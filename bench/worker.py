"""One framework running one workload in a process of its own, commanded through a pipe.

Messages to the parent: ("ready", check values, framework version), then one ("block", seconds a
step, share of the time spent waiting) for each ("block", seconds, realtime) received, and one
("counts", {...}) for ("counts",). A failure sends ("failed", reason) and ends the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench import machine

CHECK_STEPS = 5
CHECK_VALUES = 32


def serve(pipe: Any, framework: str, name: str, threads: int) -> None:
    """Build the workload on the framework, then answer commands until "quit"."""
    try:
        session = Session(framework, name, threads)
        pipe.send(("ready", session.check(), session.version))
        while (command := pipe.recv())[0] != "quit":
            if command[0] == "block":
                pipe.send(("block", *session.block(*command[1:])))
            else:
                pipe.send(("counts", session.counts()))
    except Exception as fault:
        text = " ".join(str(fault).split())
        pipe.send(("failed", f"{type(fault).__name__}: {text}"[:160]))


class Session:
    """A workload's step on a framework, with its batches."""

    def __init__(self, framework: str, name: str, threads: int) -> None:
        machine.limit_processors(threads)
        kind, _, mode = framework.partition("_")
        if kind == "plait":
            import plait

            plait.install_as("torch")
        import torch

        from bench.models import build
        from bench.workloads import WORKLOADS, make_batches

        torch.set_num_threads(threads)
        self.is_plait = kind == "plait"
        self.version = torch.__version__
        self.workload = WORKLOADS[name]
        compiles = {"": "", "compile": "step" if self.is_plait else "model"}[mode]
        self.step, self.batches = build(self.workload, make_batches(self.workload), compiles)
        self.pace = 0.0

    def check(self) -> list[float]:
        """The losses of the first steps, all on the first batch, or values of an output."""
        steps = CHECK_STEPS if self.workload.trains else 1
        values: list[float] = []
        for _ in range(steps):
            result = self.step(*self.batches[0]).numpy()
            values += [float(v) for v in result.reshape(-1)[:CHECK_VALUES]]
        self.pace = self._run(1)
        return values

    def block(self, seconds: float, realtime: bool) -> tuple[float, float]:
        """(seconds a step, share of the time ready but kept waiting by others) of one block."""
        steps = max(1, round(seconds / self.pace))
        with machine.precedence(realtime):
            waited = machine.waited_seconds()
            taken = self._run(steps)
            waited = machine.waited_seconds() - waited
        self.pace = taken / steps
        return self.pace, waited / taken

    def _run(self, steps: int) -> float:
        """Seconds for so many steps; a training loss is read at the end, an output each time."""
        step, batches, count = self.step, self.batches, len(self.batches)
        each = not self.workload.trains
        result = None
        start = time.perf_counter()
        for i in range(steps):
            result = step(*batches[i % count])
            if each:
                result.numpy()
        result.numpy()  # type: ignore[union-attr]  # there is at least one step
        return time.perf_counter() - start

    def counts(self) -> dict[str, int]:
        """What one step makes Plait do: nodes recorded, graphs run, instructions run."""
        if not self.is_plait:
            return {}
        return count_step(lambda: self.step(*self.batches[0]).numpy())


def count_step(step: Callable[[], Any]) -> dict[str, int]:
    """Nodes recorded, graphs run and instructions run by Plait during a call."""
    from plait.core.ir.node import Node
    from plait.core.runtime import realize

    nodes, graphs = 0, []
    plain_init = Node.__init__

    def counting_init(self: Any, *args: Any) -> None:
        nonlocal nodes
        nodes += 1
        plain_init(self, *args)

    Node.__init__ = counting_init  # type: ignore[method-assign]  # taken back below
    realize.observers.append(graphs.append)
    try:
        step()
    finally:
        realize.observers.remove(graphs.append)
        Node.__init__ = plain_init  # type: ignore[method-assign]
    return {
        "nodes": nodes,
        "graphs": len(graphs),
        "instructions": sum(len(graph.instructions) for graph in graphs),
    }

"""One framework running one workload in a process of its own, commanded through a pipe.

Messages to the parent: ("ready", check values, framework version), then one ("block", seconds a
step, share of the time spent waiting) for each ("block", seconds, realtime) received, and one
("counts", {...}) for ("counts",). A failure sends ("failed", reason) and ends the process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bench import machine
from bench.workloads import WORKLOADS, Workload, initial_weights, make_batches

CHECK_STEPS = 5
CHECK_VALUES = 32


def serve(pipe: Any, framework: str, name: str, threads: int) -> None:
    """Build the workload on the framework, then answer commands until nobody asks any more."""
    try:
        session = Session(framework, name, threads)
        pipe.send(("ready", session.check(), session.version))
        while True:
            command = pipe.recv()
            if command[0] == "block":
                pipe.send(("block", *session.block(*command[1:])))
            else:
                pipe.send(("counts", session.counts()))
    except (EOFError, BrokenPipeError):
        return  # whoever asked has ended
    except Exception as fault:
        text = " ".join(str(fault).split())
        pipe.send(("failed", f"{type(fault).__name__}: {text}"[:160]))


def build_on_torch(
    workload: Workload, batches: Any, compiles: str, kind: str, threads: int
) -> tuple[Callable[..., Any], Any, str]:
    """(step, batches, version) by the PyTorch program, on PyTorch or on Plait."""
    if kind == "plait":
        import plait

        plait.install_as("torch")
    import torch

    from bench.models import build

    torch.set_num_threads(threads)
    return *build(workload, batches, compiles), str(torch.__version__)


def parameters_and_statistics(
    workload: Workload,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Initial parameters and running statistics, by their names in the PyTorch model."""
    import plait

    plait.install_as("torch")
    from bench.models import MODELS

    model = MODELS[workload.model](**workload.sizes)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    statistics = {name: b.numpy() for name, b in model.named_buffers() if "running" in name}
    return initial_weights(workload, shapes), statistics


def build_on_jax(workload: Workload, batches: Any) -> tuple[Callable[..., Any], Any, str]:
    """(step, batches, version) on JAX."""
    import jax

    numbers = parameters_and_statistics(workload)
    from bench.jax_models import build

    return *build(workload, batches, *numbers), jax.__version__


def build_on_tensorflow(
    workload: Workload, batches: Any, threads: int
) -> tuple[Callable[..., Any], Any, str]:
    """(step, batches, version) on TensorFlow."""
    numbers = parameters_and_statistics(workload)
    import tensorflow as tf

    from bench.tf_models import build

    return *build(workload, batches, *numbers, threads), tf.__version__


def build_on_onnxruntime(
    workload: Workload, batches: Any, threads: int
) -> tuple[Callable[..., Any], Any, str]:
    """(step, batches, version) on ONNX Runtime."""
    import onnxruntime

    from bench.onnx_models import build

    return *build(workload, batches, threads), onnxruntime.__version__


class Session:
    """A workload's step on a framework, with its batches."""

    def __init__(self, framework: str, name: str, threads: int) -> None:
        machine.limit_processors(threads)
        kind, _, mode = framework.partition("_")
        self.is_plait = kind == "plait"
        self.workload = WORKLOADS[name]
        batches = make_batches(self.workload)
        if kind == "jax":
            self.step, self.batches, self.version = build_on_jax(self.workload, batches)
        elif kind == "tf":
            self.step, self.batches, self.version = build_on_tensorflow(
                self.workload, batches, threads
            )
        elif kind == "onnxruntime":
            self.step, self.batches, self.version = build_on_onnxruntime(
                self.workload, batches, threads
            )
        else:
            compiles = {"": "", "compile": "step" if self.is_plait else "model"}[mode]
            self.step, self.batches, self.version = build_on_torch(
                self.workload, batches, compiles, kind, threads
            )
        self.pace = 0.0

    def check(self) -> list[float]:
        """The losses of the first steps, all on the first batch, or values of an output."""
        steps = CHECK_STEPS if self.workload.trains else 1
        values: list[float] = []
        for _ in range(steps):
            values += [float(v) for v in self.first().reshape(-1)[:CHECK_VALUES]]
        self.pace = self._run(1)
        return values

    def first(self) -> np.ndarray:
        """The result of a step on the first batch."""
        return np.asarray(self.step(*self.batches[0]))

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
                np.asarray(result)
        np.asarray(result)
        return time.perf_counter() - start

    def counts(self) -> dict[str, int]:
        """What one step makes Plait do: Python functions called, graphs and instructions run."""
        if not self.is_plait:
            return {}
        return count_step(lambda: self.step(*self.batches[0]).numpy())


def count_step(step: Callable[[], Any]) -> dict[str, int]:
    """Python functions called, graphs run and instructions run by Plait during a call."""
    from plait.core.runtime import realize

    calls, graphs = 0, []

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event == "call"

    realize.observers.append(graphs.append)
    sys.setprofile(count)
    try:
        step()
    finally:
        sys.setprofile(None)
        realize.observers.remove(graphs.append)
    return {
        "calls": calls,
        "graphs": len(graphs),
        "instructions": sum(len(graph.instructions) for graph in graphs),
    }


if __name__ == "__main__":
    descriptor, framework, workload, threads = sys.argv[1:]
    serve(Connection(int(descriptor)), framework, workload, int(threads))

"""Compiled graphs: passes, lowering and linking behind one call, with a cache by structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from plait.core.compiler.lowering import lower
from plait.core.compiler.pipeline import Observer, run_passes
from plait.core.ir.graph import Graph
from plait.core.llvm.target import Target, target
from plait.core.runtime.config import flag
from plait.core.runtime.program import Program

#: Programs kept; beyond it the oldest is dropped (its kernels stay in the object cache).
_MOST_PROGRAMS = 512

_programs: dict[tuple, CompiledGraph] = {}


def host_target() -> Target:
    """The target that `PLAIT_ISA` asks for; by default all that the machine has."""
    return target(str(flag("PLAIT_ISA")))


class CompiledGraph:
    """A graph as a native program.

    donations: output number -> input number, as `Program` has it. Raises what compiling raises.
    """

    def __init__(
        self,
        graph: Graph,
        donations: Mapping[int, int] | None = None,
        observe: Observer | None = None,
    ) -> None:
        on = host_target()
        lowered = lower(run_passes(graph, observe), on)
        self.steps = lowered.steps
        self._shapes = lowered.shapes
        self.program = Program(lowered.steps, lowered.inputs, lowered.outputs, on, donations)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs from the inputs' arrays; raises OpFailure where a check fails."""
        results = self.program.run(arrays)
        return [
            result if result.shape == shape else result.reshape(shape)
            for result, shape in zip(results, self._shapes)
        ]


def compiled(graph: Graph) -> CompiledGraph:
    """The program of a graph, made once per structure."""
    key = (graph.key, flag("PLAIT_ISA"))
    found = _programs.get(key)
    if found is None:
        found = CompiledGraph(graph)
        if len(_programs) >= _MOST_PROGRAMS:
            _programs.pop(next(iter(_programs)))
        _programs[key] = found
    return found


def run(graph: Graph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Compute the outputs of a graph from its input arrays, as the reference executor does."""
    return compiled(graph).run(inputs)

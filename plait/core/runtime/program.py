"""A compiled graph: steps in phases, a memory plan, and the arrays of one call.

program = Program(steps, inputs, outputs, target, donations={0: 0})
results = program.run(arrays)
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plait.core.codegen.kernel import Launch
from plait.core.compiler.memory import plan_memory
from plait.core.compiler.plan import Buffer
from plait.core.compiler.schedule import late_writes, schedule, taken_over
from plait.core.compiler.steps import HostStep, Step, explain, perform
from plait.core.llvm.target import Target
from plait.core.runtime import kernels

_KERNEL = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)


class Program:
    """Steps that compute arrays from arrays.

    steps: launches and host steps, each reading only what earlier ones wrote. inputs, outputs: the
    buffers of the arrays that `run` takes and gives; an output may be an input, a constant, or
    appear twice. donations: output number -> input number: the output takes over that input's
    memory, and `run` gives that very array with the result in it. Both have the same shape and
    dtype, and the array given shares no memory with another one given.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        target: Target,
        donations: Mapping[int, int] | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.donations = dict(donations or {})
        for output, source in self.donations.items():
            a, b = self.outputs[output], self.inputs[source]
            if a.shape != b.shape or a.dtype is not b.dtype:
                raise ValueError(f"output {a} cannot take over the memory of input {b}")
        same = taken_over(steps, self.outputs, self.inputs, self.donations)
        ordered, self._same = late_writes(steps, same)
        self.phases = schedule(ordered, self._same)
        self._fresh = {
            b for i, b in enumerate(outputs) if i not in self.donations and b.kind != "constant"
        } - {*self.inputs}
        outside = {*self.inputs, *self._same, *self._fresh}
        self.layout = plan_memory(
            self.phases,
            lambda b: b not in outside and b.kind != "constant",
            kept=[b for b in self.outputs if b not in outside],
        )
        launches = [s for p in self.phases for s in p.steps if isinstance(s, Launch)]
        found = kernels.addresses([s.kernel for s in launches], target)
        self._functions = {s.kernel: _KERNEL(found[s.kernel.symbol(target)]) for s in launches}
        self._scratch = max((s.scratch for s in launches), default=0)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs' arrays. Raises what a failing check raises; then no input has changed."""
        arena = np.empty(self.layout.nbytes + 64, np.uint8)
        scratch = np.empty(self._scratch + 64, np.uint8)
        base = -arena.ctypes.data % 64
        values: dict[Any, np.ndarray] = {}
        for buffer, array in zip(self.inputs, arrays, strict=True):
            ready = np.require(array, requirements="CA")
            values[buffer] = ready.copy() if ready.ctypes.data % 16 else ready
        for output, source in self._same.items():
            values[output] = values[source]
        for buffer in self._fresh:
            values[buffer] = np.empty(buffer.shape, buffer.dtype.numpy)

        def value(buffer: Any) -> np.ndarray:
            if buffer not in values:
                if buffer.kind == "constant":
                    values[buffer] = buffer.value.reshape(buffer.shape)
                else:
                    start = base + self.layout.offsets[buffer]
                    room = arena[start : start + buffer.nbytes]
                    values[buffer] = room.view(buffer.dtype.numpy).reshape(buffer.shape)
            return values[buffer]

        for phase in self.phases:
            for step in phase.steps:
                if isinstance(step, HostStep):
                    results = perform(step, [value(b) for b in step.inputs])
                    for buffer, result in zip(step.outputs, results, strict=True):
                        np.copyto(value(buffer), result)
                    continue
                words = [value(b).ctypes.data for b in (*step.outputs, *step.inputs)]
                args = np.array([*words, *step.numbers], np.int64)
                room = scratch.ctypes.data + -scratch.ctypes.data % 64
                code = self._functions[step.kernel](args.ctypes.data, 0, step.units, room)
                if code:
                    buffers = step.fault[1] if step.fault is not None else ()
                    explain(step, code, [value(b) for b in buffers])
        given = dict(zip(self.inputs, arrays))
        results = []
        for number, buffer in enumerate(self.outputs):
            if number in self.donations:
                array = arrays[self.donations[number]]
                if value(buffer) is not array:
                    np.copyto(array, value(buffer))
                results.append(array)
            elif buffer in given:
                results.append(given[buffer])
            elif buffer.kind == "constant":
                results.append(value(buffer).copy())
            else:
                results.append(values[buffer])
        return results

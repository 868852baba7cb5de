"""What a program is made of: launches of kernels, and instructions left to the reference executor.

A step list holds `codegen.kernel.Launch` and `HostStep`, in an order in which each reads only what
earlier ones have written.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plait.core.codegen.kernel import Launch
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.node import Spec
from plait.core.ops.call import CALL
from plait.core.reference import executor


@dataclass(frozen=True)
class HostStep:
    """One instruction on the reference executor.

    outputs: one buffer per result; inputs: those of the operands, in the order of its args.
    """

    instruction: Instruction
    outputs: tuple[Any, ...]
    inputs: tuple[Any, ...]

    @functools.cached_property
    def graph(self) -> Graph:
        """The instruction alone."""
        specs = tuple(Spec(buffer.shape, buffer.dtype) for buffer in self.inputs)
        alone = self.instruction._replace(args=tuple(range(len(specs))))
        return Graph(specs, (alone,), (len(specs),))


@dataclass(frozen=True)
class ControlStep(HostStep):
    """Control flow whose bodies are native programs.

    control: what the driver runs (`runtime/control.py`). Where each launch has to run by itself, to
    be timed or guarded, it is a host step like any other.
    """

    control: Any


Step = Launch | HostStep


def memory(buffer: Any) -> Any:
    """The buffer that has the memory of this one: its root, or itself."""
    return buffer.root or buffer


def reads(step: Step) -> tuple[Any, ...]:
    """The memory that a step reads, that of the buffers that explain its faults included."""
    found = step.__dict__.get("_reads")
    if found is None:
        buffers = step.inputs
        if isinstance(step, Launch):
            buffers = (*buffers, *(step.outputs if step.also_reads else ()), *explaining(step))
        found = step.__dict__["_reads"] = tuple([b.root or b for b in buffers])
    return found


def writes(step: Step) -> tuple[Any, ...]:
    """The memory that a step writes."""
    found = step.__dict__.get("_writes")
    if found is None:
        found = step.__dict__["_writes"] = tuple([b.root or b for b in step.outputs])
    return found


def forget_buffers(step: Step) -> None:
    """Drop what `reads` and `writes` have noted of a step: planning asks often, a run never."""
    step.__dict__.pop("_reads", None)
    step.__dict__.pop("_writes", None)


def explaining(launch: Launch) -> tuple[Any, ...]:
    """The buffers from whose values the cause of a fault code can be found."""
    return () if launch.fault is None else tuple(launch.fault[1])


def may_fail(step: Step) -> bool:
    """Whether the program may end at this step with an exception."""
    return isinstance(step, HostStep) or step.fault is not None


def needed(steps: Sequence[Step], outputs: Sequence[Any]) -> list[Step]:
    """The steps without launches from which nothing follows: of an op with several results some may
    be made by launches of their own, and be read by nobody."""
    wanted = {memory(buffer) for buffer in outputs}
    kept: list[Step] = []
    for step in reversed(steps):
        if may_fail(step) or not wanted.isdisjoint(writes(step)):
            wanted.update(reads(step))
            kept.append(step)
    return kept[::-1]


def perform(
    step: HostStep, arrays: Sequence[np.ndarray], nested: executor.Run
) -> tuple[np.ndarray, ...]:
    """The results of a host step from its operands' arrays; raises what the executor raises.

    nested: what runs the graphs of control flow.
    """
    made = step.instruction
    op = made.op
    if op is CALL:
        # A user's function may keep what it is given, and the arena is written again.
        arrays = [array.copy() for array in arrays]
    elif op.moves_only and op.reference is not None:
        # It computes nothing, so that the executor's care for rounding and BLAS is not needed.
        if op.check is not None:
            executor.check(op, arrays, made.attrs, made.source)
        result = executor.evaluate(op, arrays, made.attrs, made.dtype, nested)
        return result if isinstance(result, tuple) else (result,)
    (result,) = executor.run(step.graph, arrays, nested)
    return result if isinstance(result, tuple) else (result,)


def explain(launch: Launch, code: int, arrays: Sequence[np.ndarray]) -> None:
    """Raise the exception behind a kernel's fault code.

    arrays: those of the buffers in `launch.fault`. Raises OpFailure from the op's own check, or
    RuntimeError where the check finds nothing wrong.
    """
    if launch.fault is not None:
        made = launch.fault[0]
        if made.op.check is not None:
            executor.check(made.op, arrays, made.attrs, made.source)
    raise RuntimeError(f"kernel {launch.kernel.kind} stopped with fault code {code}")

"""Compiled graphs: passes, lowering and linking behind one call, with a cache by structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

import numpy as np

from plait.core.compiler import replan, structure
from plait.core.compiler.lower.copies import plain_copy
from plait.core.compiler.lowering import Lowered, lower
from plait.core.compiler.pipeline import Observer, run_passes
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.rewrite import Builder
from plait.core.compiler.steps import memory
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import ITEM
from plait.core.llvm.target import Target
from plait.core.reference import executor
from plait.core.runtime import control, settling
from plait.core.runtime.config import flag
from plait.core.runtime.machine import machine
from plait.core.runtime.program import Program

#: Programs kept; beyond it the oldest is dropped (its kernels stay in the object cache).
_MOST_PROGRAMS = 512

_programs: dict[tuple, CompiledGraph] = {}
#: Programs that write into what they are given, for as long as somebody runs them.
_donating: WeakValueDictionary[tuple, CompiledGraph] = WeakValueDictionary()


class Watcher(Protocol):
    """Who is told of each program that is made."""

    def begin(self, graph: Graph) -> Observer:
        """Before the passes, which the observer is then told of."""
        ...

    def end(self, made: CompiledGraph) -> None:
        """When its kernels are linked."""
        ...


#: None: nobody asks.
watcher: Watcher | None = None


def host_target() -> Target:
    """The target that `PLAIT_ISA` asks for; by default all that the machine has."""
    return machine(str(flag("PLAIT_ISA")))


def _lowered(graph: Graph, on: Target, observe: Observer | None) -> Lowered:
    """The launches of a graph, whose kernels take the extents at run time that the flag names."""
    which = flag("PLAIT_EXTENTS")
    if which not in ("auto", "static", "run"):
        raise ValueError(f"PLAIT_EXTENTS={which!r}: expected 'auto', 'static' or 'run'")
    if which == "auto":
        return replan.lowered(graph, structure.known, on, observe)
    return lower(run_passes(structure.all_marked(graph) if which == "run" else graph, observe), on)


class CompiledGraph:
    """A graph as a native program.

    donations: output number -> input number, as `Program` has it. observe: told of each pass. on:
    the target, if not the one that `PLAIT_ISA` names. Raises what compiling raises.
    """

    def __init__(
        self,
        graph: Graph,
        donations: Mapping[int, int] | None = None,
        observe: Observer | None = None,
        on: Target | None = None,
    ) -> None:
        on = on or host_target()
        if observe is None and watcher is not None:
            observe = watcher.begin(graph)
        self._lines = _lines_of(graph)
        single, self._groups = _single_results(_by_place(graph))
        lowered = _apart(_lowered(single, on, observe), single, on)
        lowered = control.natively(lowered, on, lambda body: _lowered(body, on, None))
        self.steps = lowered.steps
        #: Whether it was planned by an earlier plan, without passes.
        self.reused = lowered.reused
        self._shapes = lowered.shapes
        fitting = _fitting(lowered, donations or {})
        self.program = Program(
            lowered.steps, lowered.inputs, lowered.outputs, on, fitting, lowered.shapes
        )
        if not self.reused:
            settling.begin(llvm=True)  # only plans made of earlier ones leave its pages alone
        same = self.program.result_shapes == list(lowered.shapes)
        #: Whether `run` is what the program's is.
        self.is_plain = same and self._groups is None
        if watcher is not None:
            watcher.end(self)

    def run(
        self,
        arrays: Sequence[Any],
        asked: Graph | None = None,
        again: Mapping[int, np.ndarray] | None = None,
    ) -> list[Any]:
        """The outputs from the inputs' arrays; raises OpFailure where a check fails.

        What an op with several results gave is a tuple of arrays, as it is for the reference.
        asked: the graph of this structure that is to be run, if it is another than was compiled:
        the failure names its line. again: memory for outputs, as `Program.run` has it.
        """
        try:
            return self._run(arrays, again)
        except executor.OpFailure as failure:
            raise self.named(failure, asked) from None

    def named(self, failure: executor.OpFailure, asked: Graph | None) -> executor.OpFailure:
        """What `program` raised, with the line of the graph of this structure that was asked for;
        None: of the graph that was compiled."""
        place = failure.source
        if not isinstance(place, int):
            return failure
        lines = self._lines if asked is None else _lines_of(asked)
        return executor.OpFailure(failure.fault, lines[place])

    def rewritable(self) -> dict[int, int]:
        """Output -> the number under which `run` takes memory for it, of those that allow it."""
        if self._groups is not None:
            return {}
        made = self.program.outputs
        return {
            number: place
            for number, place in self.program.rewritable.items()
            if made[number].shape == self._shapes[number]
        }

    def _run(self, arrays: Sequence[Any], again: Mapping[int, np.ndarray] | None) -> list[Any]:
        if self.is_plain:
            return self.program.run(arrays, again)
        if self._groups is not None:
            arrays = self._groups.flat(arrays)
        results = self.program.run(arrays, again)
        shaped = [
            result if result.shape == shape else result.reshape(shape)
            for result, shape in zip(results, self._shapes)
        ]
        return shaped if self._groups is None else self._groups.grouped(shaped)


def _lines_of(graph: Graph) -> tuple[str | int | None, ...]:
    return tuple([made.source for made in graph.instructions])


def _by_place(graph: Graph) -> Graph:
    """The same graph, its instructions' lines replaced by their positions."""
    placed = [made._replace(source=place) for place, made in enumerate(graph.instructions)]
    return Graph(graph.inputs, tuple(placed), graph.outputs)


def _apart(lowered: Lowered, graph: Graph, on: Target) -> Lowered:
    """With copies where the passes found an output to be an input: it is to have memory of its own.

    An output that is an input in the recorded graph, too, is that input's very array.
    """
    plan = Plan(on)
    plan.steps = list(lowered.steps)
    outputs = list(lowered.outputs)
    for number, value in enumerate(graph.outputs):
        source = memory(outputs[number])
        if value >= len(graph.inputs) and source in lowered.inputs:
            outputs[number] = Buffer(outputs[number].shape, source.dtype, "output")
            plain_copy(plan, source, outputs[number])
    return lowered._replace(steps=plan.steps, outputs=outputs)


def _fitting(lowered: Lowered, donations: Mapping[int, int]) -> dict[int, int]:
    """The donations that the program can do: the passes may have made another output the input."""
    outputs = [memory(buffer) for buffer in lowered.outputs]
    fitting: dict[int, int] = {}
    for number, source in donations.items():
        output, given = outputs[number], lowered.inputs[source]
        if given not in outputs and (output.shape, output.dtype) == (given.shape, given.dtype):
            fitting[number] = source
    return fitting


class _Groups(NamedTuple):
    """How many arrays each input and output of a graph stands for (0: one, not in a tuple)."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def flat(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """The arrays of all inputs in a row."""
        return [
            part
            for array, count in zip(arrays, self.inputs)
            for part in (array if count else (array,))
        ]

    def grouped(self, arrays: list[np.ndarray]) -> list[Any]:
        """The outputs from their arrays in a row."""
        waiting = iter(arrays)
        return [
            tuple([next(waiting) for _ in range(count)]) if count else next(waiting)
            for count in self.outputs
        ]


def _single_results(graph: Graph) -> tuple[Graph, _Groups | None]:
    """The same graph with several inputs and outputs in place of one that has several parts."""
    counts = [len(s.dtype) if isinstance(s.dtype, tuple) else 0 for s in graph.inputs]
    types = [graph.type_of(v).dtype for v in graph.outputs]
    made = [len(dtype) if isinstance(dtype, tuple) else 0 for dtype in types]
    if not any((*counts, *made)):
        return graph, None
    specs: list[Spec] = []
    values: list[Any] = []
    for spec, count in zip(graph.inputs, counts):
        if count:
            values.append(tuple(range(len(specs), len(specs) + count)))
            shapes: Any = spec.shape
            kinds: Any = spec.dtype
            specs += [Spec(shape, dtype) for shape, dtype in zip(shapes, kinds)]
        else:
            values.append(len(specs))
            specs.append(spec)
    build = Builder(specs)
    for instruction in graph.instructions:
        values.append(build.replay(instruction, [values[a] for a in instruction.args]))
    outputs: list[int] = []
    for value, count in zip(graph.outputs, made):
        number = values[value]
        if isinstance(number, tuple):
            outputs += number
        elif count:
            outputs += [build.emit(ITEM, number, index=i) for i in range(count)]
        else:
            outputs.append(number)
    return build.finish(outputs), _Groups(tuple(counts), tuple(made))


def compiled(graph: Graph, isa: str = "", on: Target | None = None) -> CompiledGraph:
    """The program of a graph, made once per structure; `isa` overrides `PLAIT_ISA`, `on` both."""
    isa = isa or str(flag("PLAIT_ISA"))
    key = (graph.key, on or isa, flag("PLAIT_EXTENTS"))
    found = _programs.get(key)
    if found is None:
        found = CompiledGraph(graph, on=on or machine(isa))
        if len(_programs) >= _MOST_PROGRAMS:
            _programs.pop(next(iter(_programs)))
        _programs[key] = found
    return found


def donating(graph: Graph, donations: Mapping[int, int]) -> CompiledGraph:
    """The program of a graph that takes the memory of inputs for outputs, made once for all who run
    it: a step that is reached in many ways is one program.
    """
    flags = (str(flag("PLAIT_ISA")), flag("PLAIT_EXTENTS"))
    key = (graph.key, tuple(sorted(donations.items())), *flags)
    found = _donating.get(key)
    if found is None:
        found = _donating[key] = CompiledGraph(graph, donations)
    return found


def known(graph: Graph) -> CompiledGraph | None:
    """The program of a graph, if it has been made."""
    return _programs.get((graph.key, str(flag("PLAIT_ISA")), flag("PLAIT_EXTENTS")))


def run(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """Compute the outputs of a graph from its input arrays, as the reference executor does."""
    return compiled(graph).run(inputs, graph)

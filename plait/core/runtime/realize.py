"""Computing recorded nodes: capture what is pending, run it as one program, hand out the values.

Besides the nodes asked for, every captured node that something outside the captured region still
holds (a tensor, a saved value of the backward pass) gets its value in the same run, so that nothing
is computed twice. Who holds a node is read from its reference count: more references than the
region itself accounts for. An over-count only keeps a value longer; it never loses one.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plait.core.ir.errors import error
from plait.core.ir.graph import Capture, Graph, capture
from plait.core.ir.node import Node
from plait.core.ir.verify import verify
from plait.core.reference import executor
from plait.core.runtime import tiers
from plait.core.runtime.config import flag
from plait.core.runtime.crowd import crowd, let_others_in

#: Called with each graph before it runs; tests and the profiler count with it.
observers: list[Callable[[Graph], None]] = []


def realize(roots: Sequence[Node]) -> None:
    """Give every root its value.

    Raises what an op's check raises (IndexError, ...), with the user's line that recorded the op;
    then no node has changed.
    """
    with crowd.lock:
        pending = [node for node in roots if node.value is None]
        if not pending:
            return
        captured, graph, kept = region(pending)
        inputs = [node.value for node in captured.leaves]
        results = let_others_in(_run, graph, inputs)
        for node, result in zip(kept, results):
            if node.value is None:  # else another thread was sooner
                node.set_value(_own(result))
            if node.run is not None:
                node.run.disturbed = True


def region(pending: list[Node], holders: int = 0) -> tuple[Capture, Graph, list[Node]]:
    """What computes waiting nodes: the captured region, its graph, the nodes of the graph's outputs
    (those asked for, and all that something outside of the region holds).

    holders: how many of those that hold the nodes do not count.
    """
    captured = capture(pending)
    kept = _kept(captured, pending, holders)
    graph = Graph(
        captured.graph.inputs,
        captured.graph.instructions,
        tuple([captured.numbers[id(node)] for node in kept]),
    )
    return captured, graph, kept


def settings() -> tuple:
    """The flags that decide how graphs run, as they are now."""
    global _settings
    # To read the environment as text costs microseconds: only where it has changed.
    known = _settings
    read = _environment.get
    if read(_BACKEND) is known[0] and read(_ISA) is known[1] and read(_VERIFY) is known[2]:
        return known[3]
    texts = [read(_BACKEND), read(_ISA), read(_VERIFY)]
    _settings = (*texts, (flag("PLAIT_BACKEND"), flag("PLAIT_ISA"), flag("PLAIT_VERIFY")))
    return _settings[3]


_encode: Any = getattr(os.environ, "encodekey", str)
#: What is behind `os.environ`, as the system has it.
_environment: Any = getattr(os.environ, "_data", os.environ)
_BACKEND, _ISA, _VERIFY = map(_encode, ("PLAIT_BACKEND", "PLAIT_ISA", "PLAIT_VERIFY"))
#: The texts that were read last, and what they say. No text is this empty tuple.
_settings: tuple = ((), (), (), ())


class Runner:
    """A graph that runs again and again, on the executor that is its due.

    donations: output -> input whose memory it may take once the graph runs natively (`donates`).
    """

    __slots__ = ("_donations", "_graph", "_native", "_setting", "donates")

    def __init__(self, graph: Graph, donations: dict[int, int]) -> None:
        self._graph = graph
        self._donations = donations
        self._native: Any = None
        self._setting: tuple = ()
        self.donates = False

    def run(self, inputs: list[Any], setting: tuple | None = None) -> list[Any]:
        """The outputs' arrays. Raises what a failing check raises.

        setting: the present `settings()`, where the caller knows them already.
        """
        setting = setting or settings()
        if self._native is None or setting != self._setting:
            self._native, self.donates = None, False
            self._setting = setting
            if tiers.native_program(self._graph) is None:
                return [_own(result) for result in _run(self._graph, inputs)]
            self._native = compile_graph(self._graph, self._donations).run
            self.donates = bool(self._donations)
        return self._native(inputs)


def _references(nodes: Sequence[Node]) -> list[int]:
    return [sys.getrefcount(node) for node in nodes]


#: What the count shows for an object that only the list passed in holds.
_UNHELD = _references([object()])[0]  # type: ignore[list-item]  # any object serves


def _kept(captured: Capture, pending: list[Node], holders: int = 0) -> list[Node]:
    """The nodes whose values outlive the run: the roots and all that is held from outside."""
    wanted = {id(node) for node in pending}
    held = held_besides(captured.nodes, holders)
    return [node for node, is_held in zip(captured.nodes, held) if is_held or id(node) in wanted]


def held_besides(nodes: list[Node], holders: int = 0) -> list[bool]:
    """Per node of a list: whether something holds it besides the list, its users there, and as
    many `holders` as are known."""
    inside = Counter(id(operand) for node in nodes for operand in node.inputs)
    unheld = _UNHELD + holders
    return [count > unheld + inside[id(node)] for node, count in zip(nodes, _references(nodes))]


def held_outside(captured: Capture) -> list[Node]:
    """The nodes of a region that something outside of it holds."""
    return _kept(captured, [])


def load_compiler() -> None:
    """Import what compiles, LLVM included: some 60 ms that the first program then need not take."""
    if flag("PLAIT_BACKEND") != "reference":
        from plait.core.runtime.compiled import host_target

        host_target()


class Compiled(NamedTuple):
    """What computes a graph. run: the inputs' arrays -> the outputs', or raises what an op's check
    raises; then no input has been written. It may be given a second argument: memory for outputs,
    arrays of `arrays.empty`, by the numbers that `rewritable` gives for them."""

    run: Callable[..., list[np.ndarray]]
    rewritable: Mapping[int, int]


def compile_graph(graph: Graph, donations: dict[int, int]) -> Compiled:
    """What computes a graph's outputs from its inputs (row-major arrays).

    donations: output -> input whose memory may be written for it, where the caller gives that up.
    Each result is memory of its own, or that of its donated input.
    """

    def on_reference(inputs: list[np.ndarray], again: Any = None) -> list[np.ndarray]:
        return [_apart(result) for result in _run(graph, inputs)]

    if flag("PLAIT_BACKEND") == "reference":
        return Compiled(on_reference, {})
    if flag("PLAIT_VERIFY"):
        verify(graph)
    from plait.core.runtime.compiled import donating
    from plait.core.runtime.kernels import KernelRefused

    try:
        compiled = donating(graph, donations)
    except KernelRefused as refusal:
        # LLVM has ended a process over one of its kernels: the step runs all the same, and says so.
        if flag("PLAIT_BACKEND") == "compiled":
            raise
        warnings.warn(f"plait: a step stays uncompiled: {refusal}", RuntimeWarning, stacklevel=2)
        return Compiled(on_reference, {})

    def program(
        inputs: list[np.ndarray], again: Mapping[int, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        if observers:
            for observe in observers:
                observe(graph)
        try:
            if compiled.is_plain:
                return compiled.program.run(inputs, again)
            return compiled.run(inputs, again=again)
        except executor.OpFailure as raised:
            failure = compiled.named(raised, graph)
            fault = failure.fault
            raise error(type(fault), str(fault), failure.line) from None

    return Compiled(program, compiled.rewritable())


def _apart(result: np.ndarray) -> np.ndarray:
    return result if result.base is None and result.flags.c_contiguous else result.copy()


def _run(graph: Graph, inputs: list[Any]) -> list[Any]:
    if flag("PLAIT_VERIFY"):
        verify(graph)
    for observe in observers:
        observe(graph)
    try:
        return tiers.run(graph, inputs)
    except executor.OpFailure as failure:
        fault = failure.fault
        raise error(type(fault), str(fault), failure.line) from None


def _own(value: Any) -> Any:
    """The array itself, or a copy where it is strided or would pin a larger buffer."""
    if isinstance(value, tuple):
        return tuple([_own(part) for part in value])
    base = value.base
    pins_more = isinstance(base, np.ndarray) and base.nbytes > 2 * value.nbytes
    if value.flags.c_contiguous and not pins_more:
        return value
    return value.copy()

"""Plans to compare: each one that is made of an earlier plan, beside the one made anew."""

from __future__ import annotations

from typing import Any

import pytest

from plait.core.codegen.kernel import Launch
from plait.core.compiler import replan
from plait.core.compiler.lowering import Lowered, lower
from plait.core.compiler.pipeline import run_passes
from plait.core.compiler.plan import Buffer
from plait.core.compiler.replan import Pattern
from plait.core.compiler.rewrite import Builder
from plait.core.compiler.structure import Structures
from plait.core.ir.derived import Derivation
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.llvm.target import Target


def anew(graph: Graph, structures: Structures, target: Target) -> Lowered:
    """What passes and lowering make of a graph whose structure is known."""
    marks = structures.find(graph)
    assert marks is not None
    derivation = Derivation()
    marked = marks.marked(graph, derivation)
    return Pattern(derivation, lower(run_passes(marked), target), target).first()


def written(lowered: Lowered, target: Target) -> list[Any]:
    """All that a program is made of, to be compared: each number with its type."""
    numbers: dict[int, int] = {}
    lines: list[Any] = []

    def of(value: Any) -> Any:
        if isinstance(value, Buffer):
            if id(value) not in numbers:
                numbers[id(value)] = len(numbers)
                array = None if value.value is None else (value.value.shape, value.value.tobytes())
                root = None if value.root is None else of(value.root)
                place = (of(value.shape), of(value.start), root)
                lines.append((*place, value.dtype, value.kind, array))
            return f"buffer {numbers[id(value)]}"
        if isinstance(value, tuple):
            return tuple([of(part) for part in value])
        if isinstance(value, dict):
            return {name: of(part) for name, part in value.items()}
        if isinstance(value, float):
            return value.hex()
        return (type(value), value)

    for step in lowered.steps:
        if isinstance(step, Launch):
            fields = [n for n in step.__dataclass_fields__ if n not in ("kernel", "fault")]
            fault = None
            if step.fault is not None:
                fault = of((tuple(step.fault[0])[:5], tuple(step.fault[1])))
            kernel = step.kernel.symbol(target)
            lines.append((kernel, fault, *[of(getattr(step, name)) for name in fields]))
        else:
            parts = (tuple(step.instruction)[:5], step.outputs, step.inputs)
            lines.append(of(parts))
    ends = (tuple(lowered.inputs), tuple(lowered.outputs), tuple(lowered.shapes))
    lines.append(of(ends))
    return lines


class Compared:
    """Watches `replan.lowered`: how many plans were made of earlier ones, each found equal to the
    one made anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.anew = self.reused = 0
        plain = replan.lowered

        def compared(graph: Any, structures: Any, target: Any, observe: Any = None) -> Any:
            before = replan.reused
            made = plain(graph, structures, target, observe)
            if replan.reused == before:
                self.anew += 1
                return made
            self.reused += 1
            wanted = written(anew(graph, structures, target), target)
            for ours, other in zip(written(made, target), wanted, strict=True):
                assert ours == other
            return made

        monkeypatch.setattr(replan, "lowered", compared)


def scaled(graph: Graph, old: int, new: int) -> Graph | None:
    """The graph with another extent wherever one is `old`; None where it would be no graph, or one
    of other ops."""

    def other(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple([other(part) for part in value])
        return new if type(value) is int and value == old else value

    build = Builder([Spec(other(spec.shape), spec.dtype) for spec in graph.inputs])
    values: list[Any] = list(range(len(graph.inputs)))
    for made in graph.instructions:
        attrs = {n: other(v) if n in ("shape", "stops") else v for n, v in made.attrs.items()}
        args = [values[arg] for arg in made.args]
        try:
            values.append(build.replay(made._replace(attrs=attrs), args))
        except (ShapeError, DTypeError, IndexError, ValueError):
            return None
    found = Graph(build.inputs, tuple(build.instructions), tuple(values[v] for v in graph.outputs))
    return found if len(found.instructions) == len(graph.instructions) else None

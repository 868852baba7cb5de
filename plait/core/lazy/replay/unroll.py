"""Recipes as straight-line Python: what a repeated step makes, without a loop over descriptions.

To make a node from a description costs most of its time in looking the description up. What has
been made a few times is written out as the source of a function, with every constant a global of
its own, and compiled once: a third of the time per node.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple
from weakref import ref

from plait.core.ir.node import Node, Owner
from plait.core.ir.op import Op
from plait.core.lazy.cell import Cell
from plait.core.lazy.grad import GradNode, orders
from plait.core.lazy.replay.record import check
from plait.core.lazy.replay.tree import Point

#: The file that errors find the source in: one of the package's own.
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "<a repeated step>")
#: Uses after which compiling the source pays.
_WORTH = 8
#: Nodes in one function: what Python compiles grows with its locals.
_CHUNK = 256

_new: Any = object.__new__


class Recipe(NamedTuple):
    """One node: operands are numbers among the values that are there and the nodes before."""

    op: Op
    operands: tuple[int, ...]
    attrs: dict[str, Any]
    shape: tuple[int, ...]
    dtype: Any


@lru_cache(maxsize=1024)
def _code(text: str) -> CodeType:
    """Compiled source: alike steps at many points of a tree have the same."""
    return compile(text, _FILE, "exec")


class _Source:
    """Lines of a function, and the constants that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {
            "new": _new,
            "Node": Node,
            "GradNode": GradNode,
            "Cell": Cell,
            "ref": ref,
            "check": check,
            "orders": orders,
        }
        self._names: dict[int, str] = {}

    def name(self, constant: Any) -> str:
        """The global that holds a constant."""
        name = self._names.get(id(constant))
        if name is None:
            name = self._names[id(constant)] = f"k{len(self._names)}"
            self.scope[name] = constant
        return name

    def node(
        self, name: str, recipe: Any, operands: Sequence[str], place: str, inputs: str = ""
    ) -> None:
        """The lines that make a node."""
        row = "".join(f"{operand}, " for operand in operands)
        self.lines += [
            f"{name} = new(Node)",
            f"{name}.op = {self.name(recipe.op)}",
            f"{name}.inputs = {inputs or f'({row})'}",
            f"{name}.attrs = {self.name(recipe.attrs)}",
            f"{name}.shape = {self.name(recipe.shape)}",
            f"{name}.dtype = {self.name(recipe.dtype)}",
            f"{name}.value = {name}.source = None",
            f"{name}.run = token",
            f"{name}.place = {place}",
        ]

    def function(self, parameters: str) -> Callable[..., Any]:
        """The function of these lines."""
        text = f"def make({parameters}):\n" + "".join(f"    {line}\n" for line in self.lines)
        exec(_code(text), self.scope)
        return self.scope["make"]


class Recipes:
    """Nodes to be made time and again. start: how many values there are before them."""

    __slots__ = ("_functions", "_recipes", "_start", "_uses")

    def __init__(self, recipes: list[Recipe], start: int) -> None:
        self._recipes = recipes
        self._start = start
        self._uses = 0
        self._functions: list[Callable[..., None]] | None = None

    def __len__(self) -> int:
        return len(self._recipes)

    def __iter__(self) -> Iterator[Recipe]:
        return iter(self._recipes)

    def make(self, values: list[Any], token: Owner, place: int) -> None:
        """Append the nodes to the values; the first gets this place in the run of the token."""
        if self._functions is None:
            self._uses += 1
            if self._uses < _WORTH:
                self._loop(values, token, place)
                return
            self._functions = self._unrolled()
        for function in self._functions:
            if function(values, token, place) is NotImplemented:
                raise AssertionError("a recipe names a value that is not there")

    def _loop(self, values: list[Any], token: Owner, place: int) -> None:
        for op, operands, attrs, shape, dtype in self._recipes:
            node = _new(Node)
            node.op = op
            node.inputs = tuple([values[operand] for operand in operands])
            node.attrs = attrs
            node.shape = shape
            node.dtype = dtype
            node.value = None
            node.source = None
            node.run = token
            node.place = place
            place += 1
            values.append(node)

    def _unrolled(self) -> list[Callable[..., None]]:
        return [
            self._function(first, self._recipes[first : first + _CHUNK])
            for first in range(0, len(self._recipes), _CHUNK)
        ]

    def _function(self, first: int, recipes: list[Recipe]) -> Callable[..., Any]:
        base = self._start + first
        function = _assembled(base, first, recipes)
        if function is not None:
            return function
        source = _Source()
        outside = sorted({i for recipe in recipes for i in recipe.operands if i < base})
        source.lines += [f"v{i} = values[{i}]" for i in outside]
        for number, recipe in enumerate(recipes):
            operands = [f"v{i}" if i < base else f"n{i - base}" for i in recipe.operands]
            source.node(f"n{number}", recipe, operands, f"place + {first + number}")
        source.lines.append(f"values += ({''.join(f'n{i}, ' for i in range(len(recipes)))})")
        return source.function("values, token, place")


def _assembled(base: int, first: int, recipes: list[Recipe]) -> Callable[..., Any] | None:
    """The function for the object machine; None where there is none."""
    # Not at the top, like all that writes instructions: only what repeats needs them.
    from plait.core.lazy.replay.assembly import new_node
    from plait.core.runtime.objects import Assembly

    steps = Assembly(3)
    values, token, place = steps.arguments
    outside = sorted({i for recipe in recipes for i in recipe.operands if i < base})
    known = {i: steps.item(values, i) for i in outside}
    steps.hold()
    for number, recipe in enumerate(recipes):
        operands = steps.tuple([known[i] for i in recipe.operands])
        at = steps.plus(place, first + number)
        known[base + number] = new_node(steps, recipe, operands, token, at)
        steps.append(values, known[base + number])
    steps.give(steps.constant(None))
    return steps.function()


class Call:
    """What a function of tensors records; calling it with (run, tensors, their nodes, their edges)
    records it again, and gives the results.

    steps: per node (point, operands, edges, saved): operands are numbers of the nodes before, or,
    negative, -1 - the number of an argument; edges: None, or per operand None, (number of an
    argument,) or (number of a grad node of this call, output); saved: the arguments whose versions
    are watched. results: (node, grad node or None, output of it). following: the point after it.
    uses: how often it was found by its key.
    """

    __slots__ = ("following", "is_tuple", "make", "results", "steps", "uses")

    def __init__(
        self,
        steps: list[tuple[Point, tuple[int, ...], tuple | None, list[int]]],
        results: list[tuple[int, int | None, int]],
        is_tuple: bool,
        following: Point,
    ) -> None:
        self.steps = steps
        self.results = results
        self.is_tuple = is_tuple
        self.following = following
        self.uses = 0
        self.make = self._compiled()

    def _compiled(self) -> Callable[..., Any]:
        source = _Source()
        source.lines += [
            "token = run.token",
            "place = len(run.nodes)",
            "grad_place = len(run.grads)",
            "plain = tensors[0].plain",
        ]
        grads = 0
        for number, (point, operands, _, _) in enumerate(self.steps):
            names = [f"n{i}" if i >= 0 else f"arguments[{-1 - i}]" for i in operands]
            source.node(f"n{number}", point, names, f"place + {number}")
            assert point.op is not None, "a step of the tree has an op"
            if point.op.check is not None:
                source.lines.append(f"check(n{number})")
        for number, (point, operands, edges, saved) in enumerate(self.steps):
            if edges is not None:
                names = [f"n{i}" if i >= 0 else f"arguments[{-1 - i}]" for i in operands]
                _grad(source, grads, number, point, names, edges, saved)
                grads += 1
        source.lines += [
            f"run.grads += ({''.join(f'ref(g{i}), ' for i in range(grads))})",
            f"run.nodes += ({''.join(f'n{i}, ' for i in range(len(self.steps)))})",
            f"run.point = {source.name(self.following)}",
        ]
        for number, result in enumerate(self.results):
            self._result(source, number, *result)
        names = "".join([f"r{i}, " for i in range(len(self.results))])
        source.lines.append(f"return ({names})" if self.is_tuple else "return r0")
        return source.function("run, tensors, arguments, edges")

    def _result(
        self, source: _Source, number: int, node: int, grad: int | None, output: int
    ) -> None:
        point = self.steps[node][0]
        shape, dtype = source.name(point.shape), source.name(point.dtype)
        source.lines.append(f"r{number} = plain.of_cell(Cell(n{node}), {shape}, {dtype})")
        if grad is None:
            return
        source.lines.append(f"r{number}._grad_fn = g{grad}")
        if output:
            source.lines.append(f"r{number}._output_number = {output}")
        made_by = [point for point, _, edges, _ in self.steps if edges is not None][grad]
        assert made_by.op is not None, "a step of the tree has an op"
        if made_by.op.watches_output:
            source.lines.append(f"g{grad}.versions.append((r{number}._cell, 0))")


def _grad(
    source: _Source,
    grad: int,
    number: int,
    point: Point,
    operands: list[str],
    edges: tuple,
    saved: list[int],
) -> None:
    """The lines that make the grad node of a step."""
    plan = point.grad
    assert plan is not None, "a step with edges has a grad node"
    name = f"g{grad}"
    inputs = [x if kept is None else source.name(kept) for x, kept in zip(operands, plan.inputs)]
    ways = []
    for way in edges:
        if way is None:
            ways.append("None")
        elif len(way) == 1:
            ways.append(f"edges[{way[0]}]")
        else:
            ways.append(f"(g{way[0]}, {way[1]})")
    parts = "".join(f"n{number + 1 + i}, " for i in range(point.several))
    output = f"({parts})" if parts else f"n{number}"
    source.lines += [f"c{i} = tensors[{i}]._cell" for i in saved]
    source.lines += [
        f"{name} = new(GradNode)",
        f"{name}.op = {source.name(point.op)}",
        f"{name}.attrs = {source.name(point.attrs)}",
        f"{name}.inputs = ({''.join(f'{x}, ' for x in inputs)})",
        f"{name}.edges = ({''.join(f'{way}, ' for way in ways)})",
        f"{name}.output = {output if plan.output is None else source.name(plan.output)}",
        f"{name}.output_types = {source.name(plan.output_types)}",
        f"{name}.versions = [{', '.join(f'(c{i}, c{i}.version)' for i in saved)}]",
        f"{name}.cls = plain",
        f"{name}.hooks = None",
        f"{name}.released = False",
        f"{name}.order = next(orders)",
        f"{name}.run = token",
        f"{name}.place = grad_place + {grad}",
    ]

"""The machine for Python objects: each instruction, what a miss leaves, and who holds what."""

from __future__ import annotations

import gc
import itertools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from plait.core.codegen.objects import MOST_REGISTERS, Do
from plait.core.ir.node import Node
from plait.core.lazy.cell import Cell
from plait.core.runtime.objects import Assembly, machine, offset_of

pytestmark = pytest.mark.skipif(machine() is None, reason="no object machine on this Python")


def _assembled(arguments: int, write: Callable[..., Any]) -> Callable[..., Any]:
    """A function of so many arguments; write: (steps, *arguments) -> the register to give."""
    steps = Assembly(arguments)
    steps.give(write(steps, *steps.arguments))
    function = steps.function()
    assert function is not None
    return function


def _requires(write: Callable[..., None]) -> Callable[[Any], bool]:
    """Whether what is compared holds of an object."""

    def all_of(steps: Assembly, x: Any) -> Any:
        write(steps, x)
        return steps.constant(True)

    function = _assembled(1, all_of)
    return lambda value: function(value) is True


def _cell(node: Any = None) -> Cell:
    return Cell(node)


COMPARISONS = {
    "same": (lambda s, x: s.same(x, s.constant(None)), None, 0),
    "differ": (lambda s, x: s.isnt(x, None), 0, None),
    "type": (lambda s, x: s.type(x, Cell), _cell(), 3),
    "a subclass is another type": (lambda s, x: s.type(x, int), 1, True),
    "number": (lambda s, x: s.number(x, 7), 7, 8),
    "a large number": (lambda s, x: s.number(x, 1 << 40), 1 << 40, 1 << 41),
    "length": (lambda s, x: s.length(x, 2), [1, 2], [1]),
    "equal": (lambda s, x: s.equal(x, tuple, (3, 4)), (3, 4), (4, 3)),
    "equal values of another type": (lambda s, x: s.equal(x, int, 1), 1, 1.0),
    "an item": (lambda s, x: s.isnt(s.item(x, 1), None), [0, 1], [0]),
    "a part": (lambda s, x: s.isnt(s.part(x, 1), None), (0, 1), (0,)),
    "an entry": (lambda s, x: s.same(s.entry(x, "a"), s.constant(None)), {"a": None}, {}),
    "either": (
        lambda s, x: s.do(Do.EITHER, x, s.constant(None), s.constant(True)),
        True,
        False,
    ),
    "a slot": (lambda s, x: s.is_now(x, Cell, "version", 0), _cell(), _cell(1)),
    "an unknown address": (lambda s, x: s.do(Do.UNKNOWN, x, s.constant(None)), {}, {id(None): 0}),
}
COMPARISONS["a slot"][2].version = 1


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparing(name: str) -> None:
    write, good, bad = COMPARISONS[name]
    holds = _requires(write)
    assert holds(good)
    assert not holds(bad)


def test_an_empty_slot_is_a_miss() -> None:
    holds = _requires(lambda s, x: s.load(x, Cell, "version"))
    assert not holds(Cell.__new__(Cell))


def test_another_number_of_arguments_is_a_miss() -> None:
    function = _assembled(2, lambda steps, a, b: a)
    assert function(1) is NotImplemented
    assert function(1, 2, 3) is NotImplemented
    assert function(1, 2) == 1


def test_making() -> None:
    numbers = itertools.count(5)

    def write(steps: Assembly, x: Any, into: Any) -> Any:
        steps.hold()
        made = steps.make(Cell, {"_node": x, "version": steps.constant(9)})
        steps.append(into, made)
        return steps.tuple(
            [made, steps.list([x, x]), steps.next(numbers), steps.weak(made), steps.plus(x, 4)]
        )

    held: list[Any] = []
    made, row, number, weak, total = _assembled(2, write)(300, held)
    assert (made._node, made.version, row, number, total) == (300, 9, [300, 300], 5, 304)
    assert weak() is made
    assert held == [made]
    assert gc.is_tracked(made)


def test_storing() -> None:
    def write(steps: Assembly, cell: Any, value: Any, table: Any, row: Any) -> Any:
        steps.hold()
        steps.store(cell, Cell, "_node", value)
        steps.do(Do.ENTER, table, cell, value)
        steps.do(Do.PUT, row, 1, value)
        return value

    class Content:
        pass

    before = Content()
    gone = weakref.ref(before)
    cell, table, row = _cell(before), {}, [0, before, 2]
    del before
    after = Content()
    assert _assembled(4, write)(cell, after, table, row) is after
    assert cell._node is after and table == {id(cell): after} and row == [0, after, 2]
    assert gone() is None


def test_a_miss_changes_nothing_and_holds_nothing() -> None:
    def write(steps: Assembly, cell: Any, row: Any) -> Any:
        node = steps.load(cell, Cell, "_node")
        steps.length(row, 1)
        steps.hold()
        steps.append(row, node)
        return node

    function = _assembled(2, write)
    content = object()
    cell, row = _cell(content), [0, 1]
    counts = sys.getrefcount(content), sys.getrefcount(cell), sys.getrefcount(row)
    for _ in range(100):
        assert function(cell, row) is NotImplemented
    assert counts == (sys.getrefcount(content), sys.getrefcount(cell), sys.getrefcount(row))
    assert row == [0, 1]


def test_nothing_is_held_after_a_call() -> None:
    def write(steps: Assembly, cell: Any) -> Any:
        node = steps.load(cell, Cell, "_node")
        steps.hold()
        return steps.tuple([steps.make(Cell, {"_node": node}), node])

    content = object()
    cell = _cell(content)
    function = _assembled(1, write)
    counts = sys.getrefcount(content), sys.getrefcount(cell), sys.getrefcount(NotImplemented)
    for _ in range(100):
        function(cell)
        function(cell, 1)
    # NotImplemented may be immortal; else it was given back as often as it was taken.
    after = sys.getrefcount(content), sys.getrefcount(cell), sys.getrefcount(NotImplemented)
    assert after == counts


def test_an_error_in_the_midst_is_raised_and_lets_go() -> None:
    ended = iter(())

    def write(steps: Assembly, x: Any) -> Any:
        steps.hold()
        return steps.tuple([steps.list([x]), steps.next(ended)])

    content = object()
    count = sys.getrefcount(content)
    function = _assembled(1, write)
    with pytest.raises((SystemError, StopIteration)):
        function(content)
    assert sys.getrefcount(content) == count


def test_constants_live_as_long_as_the_function() -> None:
    class Constant:
        pass

    constant = Constant()
    weak = weakref.ref(constant)
    kept = [constant]
    del constant
    function: Any = _assembled(0, lambda steps: steps.constant(kept.pop()))
    assert function() is weak()
    del function
    gc.collect()
    assert weak() is None


def test_finalizers_may_do_as_they_like_while_objects_are_made() -> None:
    class Loud:
        def __init__(self, cell: Cell) -> None:
            self.cell, self.me = cell, self

        def __del__(self) -> None:
            self.cell._node = None

    def write(steps: Assembly, cell: Any) -> Any:
        node = steps.load(cell, Cell, "_node")
        steps.hold()
        return steps.tuple([steps.make(Cell, {"_node": node}) for _ in range(50)])

    function = _assembled(1, write)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(50):
            cell = _cell(object())
            Loud(cell)
            # Before the call or in its midst, the cell is emptied; what was read is held.
            assert len({id(made._node) for made in function(cell)}) == 1
    finally:
        gc.set_threshold(*before)


def test_too_many_registers_are_refused() -> None:
    steps = Assembly(1)
    (x,) = steps.arguments
    for _ in range(MOST_REGISTERS):
        steps.tuple([x])
    assert steps.function() is None


def test_counts_are_those_of_the_nodes_that_wait() -> None:
    waiting, done = Node.__new__(Node), Node.__new__(Node)
    waiting.value, done.value = None, 1
    held = [waiting] * 3
    nodes = [None, waiting, done, waiting]
    on = machine()
    assert on is not None
    count = sys.getrefcount(waiting) - 1
    assert on.counts(nodes) == count.to_bytes(4, "little") * 2
    assert len(held) == 3


def test_slots_are_found() -> None:
    assert all(offset_of(Node, slot) > 0 for slot in ("op", "inputs", "value", "run"))

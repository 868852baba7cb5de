"""Loops by the values of tensors, as operations of the graph that is being captured.

One turn is recorded; what it binds and writes goes from turn to turn. A loop that cannot be is run
turn by turn, each turn as one program where it is worth it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import plait
from plait._higher_order_ops._draws import rows
from plait.compiler.compiled import Compiled
from plait.core.ir.dtypes import bool_
from plait.core.ir.errors import error
from plait.core.ir.graph import Graph, capture, trace
from plait.core.lazy.capture import Capture, current
from plait.core.lazy.modes import grad_mode
from plait.core.ops.control import SCAN, WHILE
from plait.core.ops.elementwise import cast
from plait.core.ops.view import reshape
from plait.tf import nest
from plait.tf._autograph import bodies
from plait.tf._autograph.bodies import Unrecordable
from plait.tf._autograph.jumps import PREFIX
from plait.tf._autograph.recording import (
    Fault,
    Recorder,
    Undefined,
    attempt,
    inner_of,
    is_text,
    numeric,
)
from plait.tf._convert import convert
from plait.tf._dispatch import state
from plait.tf._tensor import Tensor

#: How many turns over a tensor, that cannot be recorded as a loop, become one program.
UNROLLED = 16
#: How often a body is recorded until all that it carries is known.
_ROUNDS = 4


class Range:
    """The numbers of `range`, or `tf.range`, up to a tensor without a value yet."""

    def __init__(self, start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> None:
        if limit is None:
            start, limit = 0, start
        given = [x for x in (start, limit, delta) if isinstance(x, Tensor)]
        kind = dtype or given[0].dtype
        self.start, self.limit, self.delta = (
            x if isinstance(x, Tensor) else convert(x, kind) for x in (start, limit, delta)
        )

    def __iter__(self) -> Iterator[Any]:
        from plait.tf._ops import creation

        return iter(creation.range(self.start, self.limit, self.delta))


class _Type:
    """The type of one slice of a tensor."""

    def __init__(self, tensor: Any) -> None:
        self.shape, self.dtype = tuple(tensor.shape[1:]), tensor.dtype


def repeat(
    test: Callable[[], Any],
    turn: Callable[[], None],
    get: Callable[[], tuple[Any, ...]],
    put: Callable[[Any], None],
    names: tuple[str, ...],
    fresh: tuple[str, ...],
    safe: bool,
) -> bool:
    """Record `while`; whether that could be done."""
    loop = Loop(lambda _: turn(), get, put, names, fresh, safe)
    return attempt(lambda active: loop.by_test(active, test), get, put, "a loop")


class _Carried:
    """What goes from turn to turn: the structures of names, and variables that are written.

    A part is the tensors of one name, or None for a name that has no value, or none of numbers.
    """

    def __init__(self, names: tuple[str, ...], values: Any, fresh: tuple[str, ...]) -> None:
        self.names = names
        self.values = [
            Undefined(n) if n in fresh and not numeric(v) else v for n, v in zip(names, values)
        ]
        self.fresh = fresh
        self.parts = [
            [inner_of(x) for x in nest.flatten(v)] if numeric(v) else None for v in self.values
        ]
        self.variables: list[Any] = []

    def tensors(self) -> list[Any]:
        held = [t for part in self.parts if part is not None for t in part]
        return [*held, *[v.cell().detach() for v in self.variables]]

    def filled(self, tensors: Any) -> list[Any]:
        """The values of names, with tensors in the places of those carried."""
        given = iter(tensors)
        made = []
        for value, part in zip(self.values, self.parts):
            leaves = None if part is None else [next(given) for _ in part]
            made.append(value if leaves is None else nest.pack_sequence_as(value, leaves))
        return made

    def extended(self, after: Any, writes: bodies.Writes) -> bool:
        """Take in what a turn has bound or written for the first time; whether there was any."""
        new = [v for v in writes.variables.values() if all(v is not w for w in self.variables)]
        self.variables += new
        found = bool(new)
        for place, value in enumerate(after):
            if self.parts[place] is None and type(self.values[place]) is Undefined:
                if not numeric(value):
                    continue
                leaves = [inner_of(x) for x in nest.flatten(value)]
                self.values[place] = value
                self.parts[place] = [plait.zeros(tuple(t.shape), dtype=t.dtype) for t in leaves]
                found = True
        return found

    def results(self, after: Any, writes: bodies.Writes) -> list[Any]:
        """The tensors that a turn hands on. Raises `Fault` where one has another type."""
        made: list[Any] = []
        for name, before, part, value in zip(self.names, self.values, self.parts, after):
            if part is None:
                if value is not before and type(before) is not Undefined:
                    raise Unrecordable(f"{name!r} is changed in a loop and is no tensor")
                continue
            if not numeric(value) or len(nest.flatten(value)) != len(part):
                raise Unrecordable(f"{name!r} is another kind of value after a turn of a loop")
            for old, leaf in zip(part, nest.flatten(value)):
                made.append(self._fitting(name, old, convert(leaf)))
        return [*made, *[writes.values[id(v)] for v in self.variables]]

    def _fitting(self, name: str, old: Any, new: Tensor) -> Any:
        tensor = new.inner()
        if tensor.dtype == old.dtype and tuple(tensor.shape) == tuple(old.shape):
            return tensor
        if name in self.fresh or name.startswith(PREFIX):
            raise Unrecordable(f"{name!r} has another type after a turn of a loop")
        was = Tensor(old)
        if tensor.dtype != old.dtype:
            raise Fault(
                error(
                    TypeError,
                    f"{name!r} has dtype {was.dtype.name} before the loop, but dtype "
                    f"{new.dtype.name} after one iteration",
                )
            )
        raise Fault(
            error(
                ValueError,
                f"{name!r} has shape {was.shape} before the loop, but shape {new.shape} after one "
                "iteration. Use tf.autograph.experimental.set_loop_options to set shape "
                "invariants.",
            )
        )


class Loop:
    """A body and what it binds. turn: called with the item of the turn."""

    def __init__(
        self,
        turn: Callable[[Any], None],
        get: Callable[[], tuple[Any, ...]],
        put: Callable[[Any], None],
        names: tuple[str, ...],
        fresh: tuple[str, ...],
        safe: bool,
    ) -> None:
        self.turn, self.get, self.put = turn, get, put
        self.names, self.fresh, self.safe = names, fresh, safe

    # -- as one operation -----------------------------------------------------------------------

    def over(self, items: Any, goes_on: Callable[[], Any] | None) -> bool:
        """Record a loop over the slices of a tensor, or over numbers; whether that could be done.

        Short loops over tensors that cannot be are left to be unrolled, in the capture.
        """
        if isinstance(items, Tensor) and (
            not items.shape.rank or not items.shape[0] or is_text(items)
        ):
            return False

        def make(active: Capture) -> None:
            if isinstance(items, Range):
                self._counted(active, items, goes_on)
            elif goes_on is None:
                self._scanned(active, items)
            else:
                from plait.tf._ops import slicing

                count = convert(items.shape[0])
                numbers = Range(convert(0), count, convert(1))
                self._counted(active, numbers, goes_on, lambda i: slicing.gather(items, i))

        if goes_on is None and isinstance(items, Tensor) and not bodies.stack.writes:
            return self._quietly(make)
        return attempt(make, self.get, self.put, "a loop")

    def _quietly(self, make: Callable[[Capture], None]) -> bool:
        """As `attempt`, but the capture goes on: the turns can be recorded one by one."""
        active, before = current(), self.get()
        assert active is not None
        try:
            make(active)
            return True
        except Fault as fault:
            self.put(before)
            raise fault.fault from None
        except Exception:  # as in `attempt`
            self.put(before)
            return False

    def _one_turn(self, item_of: Callable[[list[Any]], Any], carried: _Carried, extra: int) -> Any:
        """The body as a function of tensors: `extra` ones that tell the item, then the carried."""

        def function(*tensors: Any) -> Any:
            self.put(carried.filled(tensors[extra:]))
            self.turn(item_of(list(tensors[:extra])))
            return self.get()

        return function

    def _require_safe(self) -> None:
        if not self.safe:
            raise Unrecordable("the body of a loop writes to attributes, items or globals")

    def by_test(self, active: Capture, test: Callable[[], Any]) -> None:
        """Record a loop that goes on while a test holds."""
        self._while(active, [], lambda _: None, lambda _: test(), lambda _: [])

    def _counted(
        self, active: Capture, numbers: Range, goes_on: Any, item: Any = lambda i: i
    ) -> None:
        """Record a loop over numbers."""
        step = numbers.delta
        up = bool(step._array() > 0)  # a step that is not known ends the attempt

        def more(head: list[Any]) -> Any:
            inside = head[0] < numbers.limit if up else head[0] > numbers.limit
            return inside if goes_on is None else inside & convert(goes_on())

        self._while(
            active,
            [numbers.start.inner()],
            lambda head: item(head[0]),
            more,
            lambda head: [(head[0] + step).inner()],
        )

    def _while(
        self,
        active: Capture,
        head: list[Any],
        item_of: Callable[[list[Any]], Any],
        test: Callable[[list[Any]], Any],
        advance: Callable[[list[Any]], list[Any]],
    ) -> None:
        """Record a WHILE. head: tensors that the loop itself carries, besides the program's."""
        self._require_safe()
        if state.tapes:
            raise Unrecordable("a tape records a loop whose turns are not counted beforehand")
        carried, extra = _Carried(self.names, self.get(), self.fresh), len(head)
        for _ in range(_ROUNDS):
            recorder = Recorder(active)
            given = [*head, *carried.tensors()]

            def whole(*tensors: Any, extra: int = extra, carried: Any = carried) -> Any:
                # `advance` asks for nothing that a turn changes.
                return (
                    self._one_turn(item_of, carried, extra)(*tensors),
                    advance(list(tensors[:extra])),
                )

            variables = list(carried.variables)
            (after, moved), writes, inputs = recorder.run(
                "tf.function: loop", whole, given, variables
            )
            if not carried.extended(after, writes):
                break
        else:
            raise Unrecordable("the body of a loop binds other names in each turn")
        results = [*moved, *carried.results(after, writes)]

        def asked(*tensors: Any) -> Any:
            self.put(carried.filled(tensors[extra:]))
            return test(list(tensors[:extra]))

        held, asked_writes, test_inputs = recorder.run("tf.function: loop", asked, given, variables)
        if asked_writes.variables.keys() - {id(v) for v in variables}:
            raise Unrecordable("the test of a loop writes a variable")
        made = _loop_operation(recorder, given, (inputs, results), (test_inputs, held))
        self._finish(carried, made[extra : len(given)])

    def _scanned(self, active: Capture, items: Tensor) -> None:
        """Record a SCAN."""
        self._require_safe()
        carried = _Carried(self.names, self.get(), self.fresh)
        stacked = items.inner()
        for _ in range(_ROUNDS):
            recorder = Recorder(active, draws=True)
            given = [_Type(stacked), *carried.tensors()]
            variables = list(carried.variables)
            after, writes, inputs = recorder.run(
                "tf.function: loop",
                self._one_turn(lambda head: head[0], carried, 1),
                given,
                variables,
            )
            if not carried.extended(after, writes):
                break
        else:
            raise Unrecordable("the body of a loop binds other names in each turn")
        results = [recorder.node(t) for t in carried.results(after, writes)]
        made: list[Any] = []
        if results:
            outside, length = recorder.outside, items.shape[0]
            draws = outside.draws or []
            leaves = [*outside.nodes, *inputs[1:], inputs[0], *[draw.node for draw in draws]]
            made = list(
                SCAN(
                    *outside.tensors,
                    *given[1:],
                    stacked,
                    *rows(draws, length, False),
                    body=capture(results, leaves=leaves).graph,
                    constants=len(outside.tensors),
                    carries=len(results),
                    length=length,
                    reverse=False,
                )
            )
        self._finish(carried, made)

    def _finish(self, carried: _Carried, made: list[Any]) -> None:
        """Bind names, and write variables, to what a loop gives."""
        count = len(made) - len(carried.variables)
        self.put(carried.filled([Tensor(t) for t in made[:count]]))
        for variable, value in zip(carried.variables, made[count:]):
            with grad_mode(False):
                variable.write(value)

    # -- turn by turn ---------------------------------------------------------------------------

    def stepped(self, items: Iterator[Any], goes_on: Callable[[], Any] | None) -> None:
        """Run a loop whose turns are one program, made at the second turn."""
        from plait.tf._function import finished

        program: Any = None
        kept: list[bool] = []
        for number, item in enumerate(items):
            if goes_on is not None and not goes_on():
                return
            if number == 0 or state.tapes or not self.safe or program is False:
                self.turn(item)
                continue
            if program is None:
                values = self.get()
                held = [numeric(v) for v in values]
                if not all(h or n in self.fresh for h, n in zip(held, self.names)):
                    program = False
                    self.turn(item)
                    continue
                program = Compiled(functools.partial(self._step, held), guarded=False)
                kept = held
            numbers = [v for v, h in zip(self.get(), kept) if h]
            self._bind(
                program(nest.map_structure(lambda x: finished(convert(x)), numbers), item), kept
            )

    def _bind(self, numbers: Any, held: list[bool]) -> None:
        """Bind the names that hold numbers; others mean something in their own turn only."""
        given = iter(numbers)
        self.put([next(given) if h else Undefined(n) for h, n in zip(held, self.names)])

    def _step(self, held: list[bool], numbers: Any, item: Any) -> Any:
        from plait.tf._function import finished

        self._bind(numbers, held)
        self.turn(item)
        made = [nest.map_structure(finished, v) for v, h in zip(self.get(), held) if h]
        # The names outlast the turn: what they hold would, too.
        self.put([Undefined(n) for n in self.names])
        return made


def _loop_operation(
    recorder: Recorder, given: list[Any], turn: tuple[Any, Any], test: tuple[Any, Any]
) -> list[Any]:
    """A WHILE of a body and a test, each (nodes of inputs, results)."""
    held = test[1]
    if not isinstance(held, Tensor):
        raise Unrecordable("the test of a loop is no tensor")
    results = [recorder.node(t) for t in turn[1]]
    goes_on = recorder.node(held.inner())
    outside = recorder.outside
    body = capture(results, leaves=[*turn[0], *outside.nodes]).graph
    condition = capture([goes_on], leaves=[*test[0], *outside.nodes]).graph
    return list(
        WHILE(
            *given,
            *outside.tensors,
            condition=_as_predicate(condition),
            body=_with_rest(body, len(given)),
        )
    )


def _as_predicate(graph: Graph) -> Graph:
    return trace(lambda *x: reshape(cast(graph.replay(*x)[0], bool_), ()), graph.inputs)


def _with_rest(graph: Graph, kept: int) -> Graph:
    """The graph, with its inputs after the first `kept` handed through."""
    return trace(lambda *x: (*graph.replay(*x), *x[kept:]), graph.inputs)

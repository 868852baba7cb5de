"""Choices by the values of tensors, as operations of the graph that is being captured.

Both branches are recorded (see `plait._higher_order_ops`); what they bind
and the variables that they write are its results. Where that cannot be, the capture ends and the
function runs as Python does, from this statement on and in later calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait._higher_order_ops._bodies import record
from plait._higher_order_ops._traced import Outside, TracedTensor
from plait.core.ir.dtypes import bool_
from plait.core.ir.errors import error
from plait.core.ir.graph import capture
from plait.core.lazy.capture import Capture, current
from plait.core.ops.control import COND
from plait.core.ops.elementwise import cast
from plait.core.ops.view import reshape
from plait.tf import nest
from plait.tf._autograph import bodies
from plait.tf._autograph.bodies import Unrecordable
from plait.tf._autograph.jumps import PREFIX, VALUE
from plait.tf._convert import convert
from plait.tf._tensor import Tensor, constant_of
from plait.tf._variable import Variable

_PLAIN = (bool, int, float, np.ndarray, np.generic)
_SAME = (bool, int, float, str, bytes, type(None))


class Undefined:
    """Stands for a name that has no value."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def fault(self) -> Exception:
        return error(
            UnboundLocalError,
            f"cannot access local variable {self.name!r} where it is not associated with a value",
        )


class Mistake:
    """Stands for a name whose value a choice by a tensor cannot give: using it raises."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: type[Exception], text: str) -> None:
        self.kind, self.text = kind, text

    def fault(self) -> Exception:
        return error(self.kind, self.text)


class Fault(Exception):
    """An error of the program, found while a body was recorded."""

    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self.fault = fault


def is_open(value: Any) -> bool:
    """Whether a value is a tensor of a call that is being captured, which may be another in the
    next call."""
    if not isinstance(value, (Tensor, Variable)) or current() is None:
        return False
    held = convert(value)._inner if isinstance(value, Variable) else value._inner
    if held is None or type(held) is np.ndarray or held.numel() != 1:
        return False
    return isinstance(held, TracedTensor) or constant_of(held) is None


def give_up(reason: str) -> None:
    """End the capture. Raises Unrecordable inside of a body: what is around it gives up then."""
    if bodies.stack.writes:
        raise Unrecordable(reason)
    active = current()
    if active is not None:
        active.interrupt(reason)


def attempt(make: Callable[[Capture], None], get: Any, put: Any, what: str) -> bool:
    """Whether control flow could be recorded; if not, all is as before, without a capture."""
    active = current()
    assert active is not None
    before = get()
    try:
        make(active)
        return True
    except Fault as fault:
        put(before)
        if bodies.stack.writes:
            raise
        raise fault.fault from None
    except Exception as fault:  # whatever does not work without values may work with them
        put(before)
        if bodies.stack.writes:
            raise
        text = str(fault).splitlines()[0] if str(fault) else ""
        give_up(f"{what} by the value of a tensor: {type(fault).__name__}: {text}")
    return False


def _whole(active: Capture) -> None:
    if current() is not active:
        raise Unrecordable("a value is asked for")


# -- tensors of bodies ----------------------------------------------------------------------------


def numeric(value: Any) -> bool:
    """Whether a value, or all in a structure of them, can be results of control flow."""
    leaves = nest.flatten(value)
    return bool(leaves) and all(
        (isinstance(x, Tensor) and type(x._inner) is not np.ndarray and x._inner is not None)
        or (isinstance(x, _PLAIN) and np.asarray(x).dtype.kind in "biufc")
        for x in leaves
    )


def inner_of(value: Any) -> Any:
    return convert(value).inner()


class Recorder:
    """The bodies of one control flow, and the tensors from outside that they use.

    draws: whether what a body draws is handed in.
    """

    def __init__(self, active: Capture, draws: bool = False) -> None:
        self.active = active
        self.outside = Outside(draws)

    def run(
        self, what: str, function: Callable[..., Any], given: Any = (), variables: Any = ()
    ) -> tuple[Any, bodies.Writes, list[Any]]:
        """(what a function gives, what it writes, the nodes that stand for `given`)."""
        found: list[Any] = []
        count = len(given) - len(variables)

        def body(*tensors: Any) -> tuple[()]:
            held = list(zip(variables, tensors[count:]))
            with bodies.body(self.active, held) as writes:
                found.extend([function(*[Tensor(t) for t in tensors[:count]]), writes])
            return ()

        made = record(what, body, tuple(given), self.outside, carries=len(given))
        _whole(self.active)
        return found[0], found[1], made.inputs

    def node(self, tensor: Any) -> Any:
        """The node of a body's result."""
        return self.outside.result(tensor)


def _predicate(value: Any) -> Any:
    return reshape(cast(inner_of(value), bool_), ())


# -- choices --------------------------------------------------------------------------------------


def choose(
    test: Any,
    then: Callable[[], None],
    other: Callable[[], None],
    get: Callable[[], tuple[Any, ...]],
    put: Callable[[Any], None],
    names: tuple[str, ...],
    safe: bool,
) -> bool:
    """Record `if`; whether that could be done."""

    def make(active: Capture) -> None:
        if not safe:
            raise Unrecordable("a branch writes to attributes, items or globals")
        before = get()
        recorder = Recorder(active)
        sides = []
        for branch in (then, other):
            put(before)
            _, writes, _ = recorder.run("tf.function: if", branch)
            sides.append((get(), writes))
        (left, written), (right, written_too) = sides
        merge = _Merge()
        values = [merge.value(*row) for row in zip(names, left, right)]
        changed = {**written.variables, **written_too.variables}
        first = len(merge.pairs)
        for variable in changed.values():
            here = variable.cell()
            merge.pairs.append(
                tuple([w.values.get(id(variable), here) for w in (written, written_too)])
            )
        results = _cond(recorder, test, merge.pairs)
        put([_filled(v, results) for v in values])
        for variable, result in zip(changed.values(), results[first:]):
            variable.write(result)

    return attempt(make, get, put, "a branch")


def _cond(recorder: Recorder, test: Any, pairs: list[Any]) -> list[Any]:
    """The operation that chooses between pairs of tensors."""
    if not pairs:
        return []
    nodes = [[recorder.node(pair[k]) for pair in pairs] for k in (0, 1)]
    outside = recorder.outside
    then, orelse = [capture(side, leaves=list(outside.nodes)).graph for side in nodes]
    return list(COND(_predicate(test), *outside.tensors, then=then, orelse=orelse))


class _Slot:
    """Stands, in a structure, for a result of control flow."""

    def __init__(self, number: int) -> None:
        self.number = number


def _filled(value: Any, results: list[Any]) -> Any:
    if isinstance(value, (Undefined, Mistake)):
        return value
    return nest.map_structure(lambda x: Tensor(results[x.number]) if type(x) is _Slot else x, value)


class _Merge:
    """What names mean after an `if`. pairs: the tensors to be chosen between."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []

    def value(self, name: str, a: Any, b: Any) -> Any:
        """One name: a constant, a structure with slots, or a stand-in that tells of a mistake."""
        if a is b or (type(a) is type(b) and isinstance(a, _SAME) and a == b):
            return a
        for value in (a, b):
            if type(value) is Mistake:
                return value
        if type(a) is Undefined or type(b) is Undefined:
            return self._half(name, a, b)
        if a is None or b is None:
            side = "main" if a is None else "else"
            if name == VALUE:
                return Mistake(ValueError, f"the {side} branch must also have a return statement.")
            return Mistake(ValueError, f"{name!r} is None at the end of the {side} branch.")
        if not (numeric(a) and numeric(b)):
            return self._odd(name, a, b)
        try:
            nest.assert_same_structure(a, b)
        except (TypeError, ValueError) as fault:
            return Mistake(type(fault), f"{name!r} must have the same structure in both: {fault}")
        leaves = [self._leaf(name, x, y) for x, y in zip(nest.flatten(a), nest.flatten(b))]
        wrong = next((x for x in leaves if type(x) is Mistake), None)
        return nest.pack_sequence_as(a, leaves) if wrong is None else wrong

    def _odd(self, name: str, a: Any, b: Any) -> Any:
        """Values that are not numbers: strings are run as Python does, others cannot be chosen."""
        leaves = [*nest.flatten(a), *nest.flatten(b)]
        if any(isinstance(x, (str, bytes)) or is_text(x) for x in leaves):
            raise Unrecordable(f"{name!r} is a string in a branch")
        return Mistake(
            TypeError,
            f"{name!r} is a {type(a).__name__} in the main branch and a {type(b).__name__} in the "
            "else branch: the value of a tensor can only choose between tensors",
        )

    def _half(self, name: str, a: Any, b: Any) -> Any:
        """A name that only one branch binds."""
        given = b if type(a) is Undefined else a
        if given is a is b or type(given) is Undefined:
            return a
        if not name.startswith(PREFIX):
            side = "else" if given is a else "main"
            return Mistake(ValueError, f"{name!r} must also be initialized in the {side} branch")
        if not numeric(given):
            return given  # read only where the branch that bound it was taken

        def fill(leaf: Any) -> _Slot:
            tensor = inner_of(leaf)
            empty = plait.zeros(tuple(tensor.shape), dtype=tensor.dtype)
            return self._slot(*((tensor, empty) if given is a else (empty, tensor)))

        return nest.map_structure(fill, given)

    def _leaf(self, name: str, a: Any, b: Any) -> Any:
        x, y = convert(a), convert(b)
        if x.dtype != y.dtype:
            return Mistake(
                TypeError,
                f"{name!r} has dtype {x.dtype.name} in the main branch, but dtype {y.dtype.name} "
                "in the else branch",
            )
        if x.shape != y.shape:
            raise Unrecordable(f"{name!r} has the shapes {x.shape} and {y.shape} in the branches")
        return self._slot(x.inner(), y.inner())

    def _slot(self, a: Any, b: Any) -> _Slot:
        self.pairs.append((a, b))
        return _Slot(len(self.pairs) - 1)


def is_text(value: Any) -> bool:
    return isinstance(value, Tensor) and type(value._inner) is np.ndarray


def chosen_value(test: Any, then: Any, other: Any, name: str) -> Any:
    """One of two functions' results, by a tensor's value."""
    box: list[Any] = [None]

    def keep(function: Callable[[], Any]) -> Callable[[], None]:
        def kept() -> None:
            box[0] = function()

        return kept

    def put(values: Any) -> None:
        box[0] = values[0]

    if choose(test, keep(then), keep(other), lambda: (box[0],), put, (name,), True):
        if type(box[0]) is Mistake:
            raise box[0].fault()
        return box[0]
    return then() if test else other()

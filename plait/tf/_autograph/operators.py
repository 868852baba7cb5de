"""What rewritten functions call. On Python's values all of it is what Python does."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any

from plait.core.lazy.capture import current
from plait.tf._autograph import loops, recording
from plait.tf._autograph.convert import called
from plait.tf._autograph.loops import Range
from plait.tf._autograph.recording import Mistake, Undefined, is_open
from plait.tf._ops import creation, elementwise
from plait.tf._tensor import Tensor

# -- names ----------------------------------------------------------------------------------------


def load(value: Any) -> Any:
    """A name's value. Raises UnboundLocalError for one without, and what a choice by value left."""
    kind = type(value)
    if kind is Undefined or kind is Mistake:
        raise value.fault()
    return value


def read(get: Callable[[], Any], name: str) -> Any:
    """A name's value for those that keep it, without complaint."""
    try:
        return get()
    except NameError:  # it has been deleted
        return Undefined(name)


def returned(value: Any) -> Any:
    """What a function gives at its end."""
    if type(value) is Mistake:
        raise value.fault()
    return None if type(value) is Undefined else value


# -- expressions ----------------------------------------------------------------------------------


def and_(*operands: Callable[[], Any]) -> Any:
    """`a and b and ...`; the logical product where an operand is a tensor without a value yet."""
    return _joined(operands, elementwise.logical_and, False)


def or_(*operands: Callable[[], Any]) -> Any:
    """`a or b or ...`, likewise."""
    return _joined(operands, elementwise.logical_or, True)


def _joined(operands: tuple[Callable[[], Any], ...], join: Any, ends: bool) -> Any:
    value = operands[0]()
    for operand in operands[1:]:
        if is_open(value):
            other = operand()
            value = join(value, bool(other) if not isinstance(other, Tensor) else other)
            continue
        if bool(value) is ends:
            return value
        value = operand()
    return value


def not_(value: Any) -> Any:
    """`not a`."""
    return elementwise.logical_not(value) if is_open(value) else not value


def if_exp(test: Any, then: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """`a if test else b`."""
    if not is_open(test):
        return then() if test else other()
    return recording.chosen_value(test, then, other, "the expression")


# -- statements -----------------------------------------------------------------------------------


def if_stmt(
    test: Any,
    then: Callable[[], None],
    other: Callable[[], None],
    get: Callable[[], tuple[Any, ...]],
    put: Callable[[Any], None],
    names: tuple[str, ...],
    safe: bool,
) -> None:
    """`if`. names: what the branches bind; safe: whether they change nothing else."""
    if is_open(test) and recording.choose(test, then, other, get, put, names, safe):
        return
    if test:
        then()
    else:
        other()


def while_stmt(
    test: Callable[[], Any],
    turn: Callable[[], None],
    get: Callable[[], tuple[Any, ...]],
    put: Callable[[Any], None],
    names: tuple[str, ...],
    fresh: tuple[str, ...],
    safe: bool,
) -> None:
    """`while`. fresh: names that each turn binds before it reads them."""
    tried = False
    while True:
        goes_on = test()
        if is_open(goes_on) and not tried:
            tried = True
            if loops.repeat(test, turn, get, put, names, fresh, safe):
                return
        if not goes_on:
            return
        turn()


def for_stmt(
    items: Any,
    goes_on: Callable[[], Any] | None,
    turn: Callable[[Any], None],
    get: Callable[[], tuple[Any, ...]],
    put: Callable[[Any], None],
    names: tuple[str, ...],
    fresh: tuple[str, ...],
    safe: bool,
) -> None:
    """`for`. goes_on: asked before each turn, where the loop may be left early."""
    loop = loops.Loop(turn, get, put, names, fresh, safe)
    if isinstance(items, (Tensor, Range)) and current() is not None and loop.over(items, goes_on):
        return
    if _comes_from_data(items) or (isinstance(items, Tensor) and len(items) > loops.UNROLLED):
        recording.give_up("a loop is run turn by turn")
        loop.stepped(iter(items), goes_on)
        return
    for item in items:
        if goes_on is not None and not goes_on():
            return
        turn(item)


def _comes_from_data(items: Any) -> bool:
    from plait.tf.data._dataset import Dataset
    from plait.tf.data._dataset import Iterator as Elements

    return isinstance(items, (Dataset, Elements))


# -- calls ----------------------------------------------------------------------------------------


def call(function: Any) -> Any:
    """What is called in the place of a function: with its control flow rewritten, if it is the
    program's own."""
    own = _BUILTINS.get(function) if type(function) in (type, type(len)) else None
    return called(function) if own is None else own


def iterated(function: Any) -> Any:
    """As `call`, where a loop goes over the result: numbers up to a tensor stay uncounted."""
    if function is builtins.range or function is creation.range:
        return _numbers(function)
    return call(function)


def _numbers(function: Any) -> Callable[..., Any]:
    def numbers(*args: Any, **kwargs: Any) -> Any:
        if not any(is_open(a) for a in (*args, *kwargs.values())):
            # As one loop, not as many turns, where a function is being captured.
            if function is builtins.range:
                return builtins.range(*[int(a) if isinstance(a, Tensor) else a for a in args])
            return function(*args, **kwargs)
        return Range(*args, **kwargs)

    return numbers


def _range(*args: Any) -> Any:
    """`range`, of tensors `tf.range`."""
    if any(isinstance(a, Tensor) for a in args):
        return creation.range(*args)
    return builtins.range(*args)


def _number(kind: type, dtype: str) -> Callable[..., Any]:
    def number(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and is_open(args[0]):
            return elementwise.cast(args[0], dtype)
        return kind(*args, **kwargs)

    return number


def _enumerate(items: Any, start: int = 0) -> Iterator[Any] | Any:
    """`enumerate`, of data sets as their method."""
    from plait.tf.data._dataset import Dataset

    return (
        items.enumerate(start) if isinstance(items, Dataset) else builtins.enumerate(items, start)
    )


#: Functions of Python that do more for tensors and data sets.
_BUILTINS: dict[Any, Callable[..., Any]] = {
    builtins.range: _range,
    builtins.int: _number(int, "int32"),
    builtins.float: _number(float, "float32"),
    builtins.enumerate: _enumerate,
}

__all__ = [
    "Undefined", "and_", "call", "for_stmt", "if_exp", "if_stmt", "iterated", "load",
    "not_", "or_", "read", "returned", "while_stmt",
]  # fmt: skip

"""Control flow. A loop over slices is one operation, recorded once; choices by value are Python's,
except in a step that is compiled, where they are part of the program.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from keras.src import tree
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

import plait as torch
from plait._higher_order_ops import associative_scan as record_associative_scan
from plait._higher_order_ops import scan as record_scan
from plait._valueless import ValuelessTensor
from plait.compiler.log import log
from plait.core.lazy.capture import current as capturing


def _tensors(structure: Any) -> Any:
    from keras_plait.src.core import convert_to_tensor

    return tree.map_structure(lambda x: None if x is None else convert_to_tensor(x), structure)


def without_values(*tensors: Any) -> bool:
    """Whether values must not be asked for: in a compiled step, or in the body of a loop."""
    return capturing() is not None or any(isinstance(x, ValuelessTensor) for x in tensors)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if `pred`, else `false_fn()`.

    In a compiled step the choice is part of the program. Branches that write to variables are both
    computed there, and what they would write is chosen from.
    """
    if in_symbolic_scope():
        return true_fn()
    if not (isinstance(pred, torch.Tensor) and without_values(pred)):
        return true_fn() if pred else false_fn()
    made, written = zip(_tried(true_fn), _tried(false_fn))
    if not any(written):
        return torch.cond(pred, lambda: _tensors(true_fn()), lambda: _tensors(false_fn()))
    pred = pred.reshape(()).to(torch.bool)
    variables = {id(v): v for found in written for v, _ in found}
    values = [{id(v): value for v, value in found} for found in written]
    for key, variable in variables.items():
        one, other = (found.get(key, variable._value) for found in values)
        variable.assign(torch.where(pred, one, other))
    return tree.map_structure(
        lambda one, other: (
            None if one is None else torch.where(pred, _tensors(one), _tensors(other))
        ),
        *made,
    )


class _Trial(StatelessScope):
    """A scope that keeps what would be written to variables."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[Any, Any]] = []

    def add_update(self, update: tuple[Any, Any]) -> None:
        super().add_update(update)
        self.written.append(update)


def _tried(branch: Callable[[], Any]) -> tuple[Any, list[tuple[Any, Any]]]:
    """(result, [(variable, value)]) of a branch, with nothing written."""
    with _Trial() as scope:
        return branch(), scope.written


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The branch number `index`, the nearest there is, on the operands."""
    index = _tensors(index)
    if in_symbolic_scope():
        return branches[0](*operands)
    if not without_values(index):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    chosen = branches[-1]
    for number in builtins.reversed(range(len(branches) - 1)):
        chosen = _choice(index <= number, branches[number], chosen)
    return chosen(*operands)


def _choice(pred: Any, first: Callable[..., Any], rest: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: cond(pred, lambda: first(*operands), lambda: rest(*operands))


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """`loop_vars = body(*loop_vars)` while `cond(*loop_vars)`, `maximum_iterations` times at
    most."""
    several = isinstance(loop_vars, (tuple, list))
    state = _tensors(tuple(loop_vars) if several else (loop_vars,))

    def turn(*values: Any) -> tuple[Any, ...]:
        made = body(*values)
        return tuple(made) if isinstance(made, (list, tuple)) else (made,)

    if in_symbolic_scope() or without_values(*tree.flatten(state)):
        state = _recorded_while(cond, turn, state, maximum_iterations)
    else:
        turns = 0
        while (maximum_iterations is None or turns < maximum_iterations) and cond(*state):
            state = turn(*state)
            turns += 1
    return state if several else state[0]


def _recorded_while(cond: Any, turn: Any, state: tuple, limit: int | None) -> tuple[Any, ...]:
    count = torch.zeros((), dtype=torch.int64)

    def goes_on(turns: Any, *values: Any) -> Any:
        wanted = torch.as_tensor(cond(*values)).reshape(()).to(torch.bool)
        return wanted if limit is None else wanted & (turns < limit)

    def once(turns: Any, *values: Any) -> tuple[Any, ...]:
        return (turns + 1, *_tensors(turn(*values)))

    return tuple(torch.while_loop(goes_on, once, (count, *state))[1:])


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """`value = body_fun(i, value)` for i from `lower` to `upper - 1`."""
    lower, upper = _tensors(lower), _tensors(upper)
    return while_loop(
        lambda i, value: i < upper,
        lambda i, value: (i + 1, body_fun(i, value)),
        (lower.to(upper.dtype), init_val),
    )[1]


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each slice of `xs` along axis 0, stacked."""
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """`carry, y = f(carry, x)` for each slice x of `xs` along axis 0: (last carry, stacked ys).

    One operation, recorded once. A body that cannot be (it draws random numbers, writes to
    variables, or looks at values) is run turn by turn, and `PLAIT_LOG=breaks` says so.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(
            f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}"
        )
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    init, xs = _tensors(init), None if xs is None else _tensors(xs)
    turns = int(length) if length is not None else tree.flatten(xs)[0].shape[0]
    if turns > 1 and unroll is not True:
        made = _recorded_scan(f, init, xs, turns, reverse)
        if made is not None:
            return made
    return _turn_by_turn(f, init, xs, turns, reverse)


def _recorded_scan(f: Any, init: Any, xs: Any, turns: int, reverse: bool) -> Any:
    """(carry, ys), or None where the body has to be run turn by turn."""
    slices = xs if xs is not None and tree.flatten(xs) else torch.zeros(turns)
    nothing = torch.zeros(())  # a loop carries something
    empty = False

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        nonlocal empty
        carry, y = f(carry[0], x if slices is xs else xs)
        empty = y is None
        carry = tree.map_structure(lambda new, old: new.to(old.dtype), _tensors(carry), init)
        return ((carry, torch.zeros(())), torch.zeros(()) if y is None else _tensors(y))

    try:
        (carry, _), ys = record_scan(body, (init, nothing), slices, reverse=reverse)
    except (NotImplementedError, RuntimeError, ValueError) as fault:
        # A fault of the body's own is raised again when it is run turn by turn.
        log("breaks", f, f"a loop is run turn by turn: {fault}")
        return None
    if empty:
        ys = tree.map_structure(lambda x: torch.zeros((turns, *x.shape), dtype=x.dtype), init)
    return carry, ys


def _turn_by_turn(f: Any, init: Any, xs: Any, turns: int, reverse: bool) -> tuple[Any, Any]:
    order = range(turns)
    made = []
    for i in builtins.reversed(order) if reverse else order:
        x = None if xs is None else tree.map_structure(lambda leaf, at=i: leaf[at], xs)
        init, y = f(init, x)
        made.append(tree.map_structure(torch.zeros_like, init) if y is None else _tensors(y))
    if reverse:
        made.reverse()
    return init, tree.map_structure(lambda *parts: torch.stack(parts), *made)


def associative_scan(
    f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """All prefixes of `elems` along `axis`, combined by the associative `f`."""
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    elems = _tensors(elems)
    leaves = tree.flatten(elems)
    extents = {leaf.shape[axis] for leaf in leaves}
    if len(extents) != 1:
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. (saw: "
            f"{[tuple(leaf.shape) for leaf in leaves]})"
        )
    return record_associative_scan(
        f, elems, axis % leaves[0].ndim, reverse=reverse, combine_mode="generic"
    )

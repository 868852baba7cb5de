"""Functions that take views: which steps they come to is found once per kind of call.

A view of a tensor is decided by the tensor's shape, dtype and layout, and by the function's other
arguments. To find its steps and where it lies costs some twenty calls of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from plait.core.lazy.capture import current, watch
from plait.core.lazy.tensor import LazyTensor
from plait.core.lazy.views import Layout, Step


class _View(NamedTuple):
    """The steps of a view from the tensor that it is taken of, and what it is."""

    steps: tuple[Step, ...]
    shape: tuple[int, ...]
    dtype: Any
    layout: Layout | None


#: By function, kind of tensor, shape, dtype, layout and arguments; beyond so many all are found
#: anew.
_known: dict[tuple, _View] = {}
_MOST = 2048


def view_of(
    tensor: LazyTensor, function: Callable[..., Any], key: Hashable, take: Callable[[], Any]
) -> Any:
    """What `take()` gives of a tensor: for a kind of call that is known, without asking it.

    function, key: what decides it besides the tensor; equal keys must mean the same.
    """
    if tensor._layout is None and tensor._cell.shared is not None:
        return take()  # as it lies in memory from outside
    whole = (function, type(tensor), tensor._shape, tensor._dtype, tensor._layout, key)
    known = _known.get(whole)
    if known is not None:
        if watch.active is not None and (active := current()) is not None:
            active.layout_read(tensor)
        return tensor.view_by(*known)
    made = take()
    steps = _steps(tensor, made)
    if steps is not None:
        if len(_known) >= _MOST:
            _known.clear()
        _known[whole] = _View(steps, made._shape, made._dtype, made._layout)
    return made


def _steps(tensor: Any, made: Any) -> tuple[Step, ...] | None:
    """The steps from a tensor to a view of it; None where it is none, or one of another kind."""
    kind = type(tensor)
    plain = kind.view_through is LazyTensor.view_through and kind.is_dense
    if not plain or made is tensor or type(made) is not kind.plain or made._base is None:
        return None
    base = tensor._family()
    before = () if base is tensor else tensor._steps
    if base._base is not None and not base._requires_grad:
        return None  # a view of a view that is a leaf
    count = len(before)
    same = made._base is base and len(made._steps) > count and made._steps[:count] == before
    steps = made._steps[count:]
    if not same or any(step.extra for step in (*before, *steps)):
        return None
    return steps


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose view is remembered where its other arguments are ints and tuples of ints."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs or not args or not isinstance(args[0], LazyTensor):
            return function(*args, **kwargs)
        rest = args[1:]
        if not all(map(_is_simple, rest)):
            return function(*args)
        return view_of(args[0], function, rest, lambda: function(*args))

    return call


def _is_simple(value: Any) -> bool:
    kind = type(value)
    return kind is int or (kind is tuple and {*map(type, value)} <= {int})

"""How a call of a TensorFlow function is carried out: at once, or noted in a graph.

`op` makes a public function of a plain one. At once means recorded by the core, with its faults
turned into `tf.errors`. Grad nodes are made for operands with a history alone, and a tensor shows
its history to the tapes that know it (see `Tensor.inner`). Where a graph is being built (TensorFlow
1), the call becomes one operation of it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import DTypeError, ShapeError
from plait.tf import errors


class State(threading.local):
    """What a thread does with operations.

    tapes: those that record now, the outermost first. graph: the graph being built, if any.
    inside: whether an operation is being carried out, so that what it calls is part of it.
    values: gives the value of a graph's tensor while the graph runs (or is tried out, `probing`;
    depth: how many operations in a row are tried out). function: the `tf.function` that runs.
    """

    tapes: tuple[Any, ...] = ()
    graph: Any = None
    inside = False
    values: Callable[[Any], Any] | None = None
    probing = False
    depth = 0
    function: Any = None


state = State()

#: Whether any symbolic tensor exists in this process; most programs have none.
symbols: dict[str, Any] = {"record": None, "find": None}


class RaggedOperand(Exception):
    """A function has met a ragged tensor."""


#: What functions of ragged tensors are carried out by: set by `plait.tf._ragged`.
ragged: dict[str, Any] = {}

#: All operations by name, for tests and listings.
OPS: dict[str, Callable[..., Any]] = {}


def op(function: Callable[..., Any]) -> Callable[..., Any]:
    """The public form of a function on tensors. Every one takes `name` besides its arguments."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        name = kwargs.pop("name", None) if kwargs else None
        if not state.inside:
            graph = state.graph
            if graph is None and symbols["find"] is not None:
                graph = symbols["find"]((args, kwargs))
            if graph is not None:
                return symbols["record"](graph, call, args, kwargs, name)
        return carry_out(function, args, kwargs)

    call.__dict__["plain"] = function
    OPS[function.__name__] = call
    return call


def carry_out(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call at once; faults of the core become `tf.errors`."""
    outer = state.inside
    state.inside = True
    try:
        return function(*args, **kwargs)
    except RaggedOperand:
        return ragged["dispatch"](function, args, kwargs)
    except (ShapeError, DTypeError, IndexError) as fault:
        raise errors.InvalidArgumentError(str(fault)) from None
    except RuntimeError as fault:
        if type(fault) is not RuntimeError:
            raise
        raise errors.InvalidArgumentError(str(fault)) from None
    finally:
        state.inside = outer

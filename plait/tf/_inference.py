"""Static shapes of a graph's tensors.

They come from the functions themselves: each is called once or twice with made-up tensors, whose
unknown extents get a number; what changes with that number is unknown in the result too. Nothing
is computed for that, as the core records lazily.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait.tf import nest
from plait.tf._dispatch import carry_out, state
from plait.tf._dtypes import string
from plait.tf._graph import Symbol, leaves, substituted
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor, of_array
from plait.tf._variable import Variable

#: What unknown extents, and made-up integers, are taken for: pairs tried one after another.
_PROBES = (((6, 6), (10, 10)), ((6, 0), (10, 0)), ((64, 0), (96, 0)), ((6, 1), (10, 1)))
_UNKNOWN_RANKS = ((), (6,), (6, 6), (6, 6, 6, 6))


def inferred(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
    """(the structure of a call's results, a `TensorSpec` for each tensor in it).

    Raises ValueError for what the function does not take.
    """
    rule = function.__dict__.get("infer")
    if rule is not None:
        with contextlib.suppress(LookupError):  # the rule is not about such arguments
            result = rule(*args, **kwargs)
            return result, nest.flatten(result)
    given = [x for x in leaves((args, kwargs)) if isinstance(x, Symbol)]
    unranked = any(x.shape.rank is None for x in given)
    known = all(x.shape.is_fully_defined() for x in given) and not any(
        x.dtype.is_integer and (x.shape.rank or 0) <= 1 for x in given
    )
    fault: Exception | None = None
    for first, second in _PROBES[:1] if known and not unranked else _PROBES:
        for rank in _UNKNOWN_RANKS if unranked else ((),):
            try:
                one = _probe(function, args, kwargs, *first, rank)
                two = one if known else _probe(function, args, kwargs, *second, rank)
            except Exception as problem:  # whatever the function raises for made-up tensors
                fault = problem
                continue
            return one, _common(one, two, unranked)
    if known or not given:
        kind = type(fault) if isinstance(fault, (TypeError, NotImplementedError)) else ValueError
        raise kind(str(fault)) from None
    # No made-up sizes fit: only the dtype of the first tensor is known.
    return None, [TensorSpec(None, given[0].dtype)]


def _probe(function: Any, args: Any, kwargs: Any, size: int, number: int, rank: Any) -> Any:
    made: dict[int, Tensor] = {}

    def stand_in(symbol: Symbol) -> Tensor:
        found = made.get(id(symbol))
        if found is None:
            found = _extents_of(symbol, stand_in)
            if found is None:
                found = _made_up(symbol, size, number, rank)
            made[id(symbol)] = found
        return found

    before, tapes = state.values, state.tapes
    state.values, state.tapes = stand_in, ()
    probing, state.probing = state.probing, True
    try:
        args, kwargs = substituted((args, kwargs), stand_in)
        return carry_out(function.__dict__["plain"], args, kwargs)
    finally:
        state.values, state.tapes, state.probing = before, tapes, probing


#: Operations in a row that lead from a shape to what is made of it.
_DEEPEST = 30


def _extents_of(symbol: Symbol, stand_in: Callable[[Symbol], Tensor]) -> Tensor | None:
    """The value of a few integers, which may be a shape, from the made-up tensors that they are
    computed from; None for others."""
    function, shape = symbol.op.function, symbol.shape
    known = function.__dict__
    if (
        not symbol.dtype.is_integer
        or shape.rank is None
        or shape.rank > 1
        or not symbol.op.inputs
        or state.depth > _DEEPEST
        or any(known.get(word) for word in ("host", "takes_variable", "closures"))
        or "plain" not in known
    ):
        return None
    state.depth += 1
    try:
        results = nest.flatten(symbol.op.execute(stand_in))
        made = [r for r in results if isinstance(r, Tensor)][symbol.value_index]
        return made if made.dtype.is_integer else None
    except Exception:  # whatever the function raises for made-up tensors
        return None
    finally:
        state.depth -= 1


def _made_up(symbol: Symbol, size: int, number: int, rank: Any) -> Tensor:
    """A tensor of a symbol's dtype, and of its shape with `size` for what is unknown."""
    shape = symbol.shape
    extents = rank if shape.rank is None else tuple([size if e is None else e for e in shape])
    kind = symbol.dtype
    if kind is string:
        made = np.empty(extents, object)
        made[...] = b""
        return of_array(made)
    if kind.is_integer and len(extents) <= 1:
        return of_array(np.full(extents, number, kind.core.numpy))
    return Tensor(plait.zeros(extents, dtype=kind.core))


def _common(one: Any, two: Any, unranked: bool) -> list[Any]:
    """Specs of what two results with different made-up sizes have in common."""
    found: list[Any] = []
    for a, b in zip(nest.flatten(one), nest.flatten(two)):
        if not isinstance(a, (Tensor, Variable)):
            found.append(a)
            continue
        if unranked or len(a.shape) != len(b.shape):
            found.append(TensorSpec(None, a.dtype))
            continue
        shape = [x if x == y else None for x, y in zip(a.shape, b.shape)]
        found.append(TensorSpec(shape, a.dtype))
    return found

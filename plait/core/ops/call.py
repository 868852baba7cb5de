"""A user's Python function on NumPy arrays, as an op.

The function must be pure: a graph may run it once for two equal calls, or not at all if nobody
reads its results. It has no derivative; `autograd.Function` gives one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.op import Lowering, Op


def _infer_call(*inputs: Any, function: Callable, types: tuple[tuple, ...]) -> tuple[Any, Any]:
    """function(*arrays) -> a tuple of arrays of the given (shape, dtype) types."""
    return tuple([shape for shape, _ in types]), tuple([dtype for _, dtype in types])


def _read_only(x: np.ndarray) -> np.ndarray:
    view = x.view()
    view.flags.writeable = False
    return view


def _call(*arrays: np.ndarray, function: Callable, types: tuple[tuple, ...]) -> tuple:
    results = function(*[_read_only(x) for x in arrays])
    results = results if isinstance(results, tuple) else (results,)
    made = [np.asarray(result) for result in results]
    received = [(x.shape, x.dtype) for x in made]
    if received != [(shape, dtype.numpy) for shape, dtype in types]:
        name = getattr(function, "__name__", repr(function))
        wanted = ", ".join(f"{dtype.name}{list(shape)}" for shape, dtype in types)
        given = ", ".join(f"{dtype.name}{list(shape)}" for shape, dtype in received)
        raise RuntimeError(f"call: {name} was to give ({wanted}), but gave ({given})")
    return tuple(made)


CALL = Op(
    "call",
    infer=_infer_call,
    lowering=Lowering.OPAQUE,
    reference=_call,
    outputs=lambda *inputs, function, types: len(types),
    differentiable=(),
    moves_only=True,
    dtypes=dtypes.COMMON,
)
